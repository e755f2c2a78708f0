/// A number of packs with the bytes of their files.
package struct PackCount: Hashable, Sendable, Codable {
    package var packs: Int
    package var bytes: UInt64

    package init(packs: Int = 0, bytes: UInt64 = 0) {
        self.packs = packs
        self.bytes = bytes
    }

    mutating func add(_ size: UInt64) {
        packs += 1
        bytes += size
    }
}

/// What a collection found and did; of a dry run, what it would do.
package struct CollectReport: Hashable, Sendable, Codable {
    /// A lease that keeps packs in the trash.
    package struct Waiting: Hashable, Sendable, Codable {
        /// What the holder does.
        package var label: String
        package var process: Int32
        package var started: Timestamp
        /// What waits for it; a pack may wait for several leases.
        package var trash: PackCount
    }

    package var isDryRun = false

    // What is needed, and why.

    /// Refs that were followed.
    package var refs = 0
    /// Operations whose values were followed.
    package var operations = 0
    /// Pins of leases that were followed.
    package var pins = 0
    /// Objects that operations or pins would need and that were collected before; those cannot be reverted any more.
    package var missingObjects: UInt64 = 0

    // What was there before.

    /// All packs in `packs/`.
    package var before = PackCount()
    package var liveObjects: UInt64 = 0
    /// Objects that nothing needs, with further copies of live ones.
    package var deadObjects: UInt64 = 0
    /// Bytes of packs that are of use; a frame that holds live and dead objects counts in proportion.
    package var liveBytes: UInt64 = 0
    /// The rest of the bytes of all packs.
    package var deadBytes: UInt64 = 0

    // What was done.

    /// Packs without a live object, moved to the trash.
    package var trashed = PackCount()
    /// Packs whose live objects were put into new packs; then they were moved to the trash as well.
    package var rewritten = PackCount()
    /// The new packs.
    package var written = PackCount()
    /// Packs that were in the trash and are needed again.
    package var resurrected = PackCount()
    /// Packs deleted from the trash: the space that was given back.
    package var freed = PackCount()
    /// Packs that stay in the trash.
    package var waitingPacks = PackCount()
    /// The leases that they wait for.
    package var waiting: [Waiting] = []
    /// Packs that were to be rewritten and are damaged: they stay where they are. `store verify` says what is affected.
    package var damagedPacks: [Digest] = []

    // What is there now.

    /// All packs in `packs/`.
    package var after = PackCount()
    /// Bytes of them that are of no use.
    package var unusedBytes: UInt64 = 0

    package init() {}
}

/// What `repack` did.
package struct RepackReport: Hashable, Sendable, Codable {
    /// Trees looked at.
    package var trees = 0
    /// How often reading all of them from start to end jumps: in another pack, or not to what follows.
    package var jumpsBefore: UInt64 = 0
    /// The same with what was put in order.
    package var jumpsAfter: UInt64 = 0
    /// Objects put in order.
    package var objects: UInt64 = 0
    /// The packs they were put into.
    package var written = PackCount()
    /// The collection that followed.
    package var collection = CollectReport()

    package init() {}
}

/// What `recompress` did.
package struct RecompressReport: Hashable, Sendable, Codable {
    /// Objects stored anew.
    package var objects: UInt64 = 0
    /// The bytes of the frames they were in, as far as they were of use.
    package var bytesBefore: UInt64 = 0
    /// The bytes of the frames they are in now.
    package var bytesAfter: UInt64 = 0
    /// The packs they were put into.
    package var written = PackCount()
    /// The collection that followed.
    package var collection = CollectReport()

    package init() {}
}
