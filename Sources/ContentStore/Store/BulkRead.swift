/// How a tree is read in bulk.
package struct BulkReadOptions: Sendable {
    /// How many threads read and decode; nil for as many as there are cores.
    package var threads: Int?
    /// Told now and then, by any thread, how many bytes of the tree are done: data that was delivered and zeros that were skipped.
    package var progress: (@Sendable (UInt64) -> Void)?

    package init(threads: Int? = nil, progress: (@Sendable (UInt64) -> Void)? = nil) {
        self.threads = threads
        self.progress = progress
    }
}

/// What a bulk read did.
package struct BulkReadStatistics: Hashable, Sendable {
    /// Bytes delivered; zeros that were skipped are not counted.
    package var bytes: UInt64 = 0
    /// Chunks or pages delivered.
    package var leaves: UInt64 = 0
    /// Frames read and decoded: each one once, however many of its objects are wanted and how often.
    package var frames: UInt64 = 0
    /// Bytes of packs read.
    package var storedBytes: UInt64 = 0

    package init() {}
}
