extension Ingest {
    /// A node, of this ingest or of the store.
    func node(_ digest: Digest, shape: TreeShape, level: Int) throws(StoreError) -> TreeNode {
        if let node = store.nodes.withLock({ $0.value(for: digest) }), node.level == level, node.shape == shape {
            return node
        }
        let frame = try guarded { () throws(StoreError) in try ownFrame(digest) }
        guard let frame else { return try store.node(digest, shape: shape, level: level) }
        guard let index = frame.index(of: digest), let range = frame.object(index), !frame.records[index].isIndirect
        else { throw notANode(digest) }
        let bytes = Array(frame.bytes[range])
        guard let node = TreeNode(parsing: bytes.span.bytes, shape: shape, level: level) else { throw notANode(digest) }
        store.nodes.withLock { $0.insert(node, for: digest, cost: node.cost) }
        return node
    }

    private func notANode(_ digest: Digest) -> StoreError {
        StoreError(.damaged, "object \(digest.short) is in use as a node of a tree, which it is not")
    }

    /// Fills a buffer with a leaf, of this ingest or of the store.
    func readLeaf(
        _ digest: Digest, leafSize: Int, into target: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        let frame = try guarded { () throws(StoreError) in try ownFrame(digest) }
        guard let frame else { return try store.readLeaf(digest, leafSize: leafSize, from: 0, into: target) }
        guard
            let index = frame.index(of: digest), let range = frame.object(index), !frame.records[index].isIndirect,
            range.count == leafSize
        else {
            throw StoreError(
                .damaged, "object \(digest.short) is in use as a leaf of \(leafSize) bytes, which it is not")
        }
        frame.bytes.withUnsafeBytes { target.copyMemory(from: $0.part(range.lowerBound, range.count)) }
    }
}
