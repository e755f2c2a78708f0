extension ContentStore {
    /// Bounds what this store keeps in memory to read faster. Without a call it is 48 MiB of frames and 16 MiB of nodes.
    ///
    /// - Parameters:
    ///   - frames: bytes of decoded frames.
    ///   - nodes: bytes of nodes of trees.
    package func limitCaches(frames: Int, nodes: Int) {
        self.frames.withLock { $0.setLimit(frames) }
        self.nodes.withLock { $0.setLimit(nodes) }
    }
}
