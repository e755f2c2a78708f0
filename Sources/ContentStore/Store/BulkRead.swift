/// How a tree is read in bulk.
package struct BulkReadOptions: Sendable {
    /// How many threads read and decode; nil for as many as there are cores.
    package var threads: Int?
    /// Check the SHA-256 digest of everything too, and not only the CRCs: some three times the work. For what leaves the store for
    /// good, or comes from a store that somebody else had in hand.
    package var checksDigests: Bool
    /// Told now and then, by any thread, how many bytes of data were delivered so far; zeros are not counted.
    package var progress: (@Sendable (UInt64) -> Void)?

    package init(
        threads: Int? = nil, checksDigests: Bool = false, progress: (@Sendable (UInt64) -> Void)? = nil
    ) {
        self.threads = threads
        self.checksDigests = checksDigests
        self.progress = progress
    }
}

/// What a bulk read did.
package struct BulkReadStatistics: Hashable, Sendable {
    /// Bytes delivered; zeros that were skipped are not counted.
    package var bytes: UInt64 = 0
    /// Chunks or pages delivered.
    package var leaves: UInt64 = 0
    /// Frames read and decoded: each one once for some 500 MiB of RAM or 8 GiB of disk, however many of its objects are wanted and how
    /// often.
    package var frames: UInt64 = 0
    /// Bytes of packs read.
    package var storedBytes: UInt64 = 0

    package init() {}

    mutating func add(_ other: BulkReadStatistics) {
        bytes += other.bytes
        leaves += other.leaves
        frames += other.frames
        storedBytes += other.storedBytes
    }
}

/// Where a bulk read puts bytes. Called by several threads at the same time, with ranges that do not overlap.
protocol BulkSink: Sendable {
    /// Whether zeros must be told.
    var wantsZeros: Bool { get }
    /// Memory in which these bytes of the tree may be decoded at once; nil when they are to be delivered. What is decoded there may be
    /// wrong at first, and then is decoded or delivered again.
    func destination(_ offset: UInt64, _ count: Int) -> UnsafeMutableRawBufferPointer?
    /// Takes bytes of the tree, which are valid during the call.
    func deliver(_ offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws
    /// Makes a range zero, if zeros are wanted.
    func zero(_ offset: UInt64, _ count: UInt64) throws
}
