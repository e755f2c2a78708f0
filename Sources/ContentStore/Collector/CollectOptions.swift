/// What a collection keeps, and how much waste it leaves.
package struct CollectOptions: Sendable, Hashable {
    /// The old and new values of this many operations at the end of the log are kept, so that they can be reverted.
    package var keepOperations: Int
    /// The part of all bytes in packs that may be of no use; beyond it packs are rewritten, the emptiest first.
    package var maximumUnused: Double
    /// A pack of which less than this part is of use is rewritten.
    package var rewriteBelow: Double
    /// Only say what would be done. Takes no lock and writes nothing.
    package var isDryRun: Bool
    /// The size in bytes of packs that are written.
    package var packSize: Int
    /// What frames are compressed with that cannot be copied as they are; nil for what an ingest uses.
    package var compression: Compression?
    /// Go on although something that a ref needs cannot be read. What only the unreadable part names is lost then.
    package var toleratesDamage: Bool

    package init(
        keepOperations: Int = 100, maximumUnused: Double = 0.05, rewriteBelow: Double = 0.5, isDryRun: Bool = false,
        packSize: Int = 64 << 20, compression: Compression? = nil, toleratesDamage: Bool = false
    ) {
        self.keepOperations = max(0, keepOperations)
        self.maximumUnused = min(max(maximumUnused, 0), 1)
        self.rewriteBelow = min(max(rewriteBelow, 0), 1)
        self.isDryRun = isDryRun
        self.packSize = min(max(packSize, 1 << 16), 1 << 31)
        self.compression = compression
        self.toleratesDamage = toleratesDamage
    }
}

/// Which trees are put in order, and when that is worth it.
package struct RepackOptions: Sendable, Hashable {
    /// Commits whose trees are put in order, the most important first; nil for those of all refs, the youngest first.
    package var commits: [Digest]?
    /// A node of leaves (8 MiB of a disk, 2 MiB of RAM) is left as it is if reading it jumps no more often than this.
    package var toleratedJumps: Int
    /// What to do with the packs that the objects come from.
    package var collect: CollectOptions

    package init(commits: [Digest]? = nil, toleratedJumps: Int = 4, collect: CollectOptions = CollectOptions()) {
        self.commits = commits
        self.toleratedJumps = max(0, toleratedJumps)
        self.collect = collect
    }
}

/// How far a collection has come.
package struct CollectProgress: Hashable, Sendable {
    package enum Phase: String, Hashable, Sendable, CaseIterable {
        /// Finding what is needed; `done` counts objects, and the total is not known.
        case marking
        /// Putting objects into new packs, in bytes.
        case rewriting
        /// Moving and deleting packs.
        case sweeping
    }

    package var phase: Phase
    package var done: UInt64
    /// 0 when it is not known.
    package var total: UInt64

    package init(phase: Phase, done: UInt64, total: UInt64) {
        self.phase = phase
        self.done = done
        self.total = total
    }
}
