/// How much of a pack is needed.
struct PackUse: Hashable, Sendable {
    var id: Digest
    /// The size of the file.
    var size: UInt64
    /// Objects in it.
    var entries = 0
    /// Needed objects that are kept here.
    var live = 0
    /// Needed objects that are kept elsewhere.
    var copies = 0
    /// The sizes of the frames of all entries: a frame counts once for each of its objects.
    private var units: UInt64 = 0
    private var liveUnits: UInt64 = 0

    init(id: Digest, size: UInt64) {
        self.id = id
        self.size = size
    }

    mutating func add(_ entry: IndexEntry, isLive: Bool, isCopy: Bool) {
        entries += 1
        units += UInt64(entry.units)
        if isLive {
            live += 1
            liveUnits += UInt64(entry.units)
        }
        if isCopy { copies += 1 }
    }

    /// The part of its bytes that is needed, 0 to 1. A frame that holds needed and other objects counts in proportion.
    var fraction: Double {
        units == 0 ? 0 : Double(liveUnits) / Double(units)
    }

    var liveBytes: UInt64 { live == 0 ? 0 : min(size, UInt64((Double(size) * fraction).rounded())) }
    var deadBytes: UInt64 { size - liveBytes }
}

/// What is to become of each pack.
struct CollectPlan: Sendable {
    /// All packs of the catalog.
    var uses: [PackUse] = []
    /// Those without a live object.
    var dead: [PackUse] = []
    /// Those whose live objects are put into others.
    var rewrite: [PackUse] = []

    /// So many small packs are put together.
    static let manySmallPacks = 32

    /// Counts what is live in each pack, and decides.
    ///
    /// - Parameter kept: packs that were just written: they stay as they are.
    init(_ live: LiveSet, _ options: CollectOptions, kept: Set<Digest>) {
        uses = CollectPlan.count(live)
        dead = uses.filter { $0.live == 0 }
        var partial = uses.filter { $0.live > 0 && !kept.contains($0.id) }
        rewrite = partial.filter { $0.fraction < options.rewriteBelow }
        partial.removeAll { $0.fraction < options.rewriteBelow }
        let small = partial.filter { $0.size < UInt64(options.packSize / 8) }
        if small.count >= CollectPlan.manySmallPacks {
            rewrite += small
            partial.removeAll { $0.size < UInt64(options.packSize / 8) }
        }
        partial.sort { $0.fraction > $1.fraction }
        var total = uses.reduce(0) { $0 + $1.liveBytes }
        var unused = partial.reduce(0) { $0 + $1.deadBytes }
        total += unused
        while Double(unused) > options.maximumUnused * Double(total), let worst = partial.popLast(), worst.deadBytes > 0
        {
            unused -= worst.deadBytes
            total -= worst.deadBytes
            rewrite.append(worst)
        }
        // In the order of writing, as far as it is known, so that neighbours stay neighbours.
        rewrite.sort { $0.id < $1.id }
    }

    /// Adds the packs of which a hundredth or more is further copies.
    mutating func rewriteCopies(kept: Set<Digest>) {
        let chosen = Set(rewrite.map(\.id)).union(kept)
        rewrite += uses.filter { $0.live > 0 && 100 * $0.copies >= max($0.entries, 1) && !chosen.contains($0.id) }
        rewrite.sort { $0.id < $1.id }
    }

    private static func count(_ live: LiveSet) -> [PackUse] {
        var uses: [PackUse] = []
        for (number, index) in live.catalog.indexes.enumerated() {
            var own = index.file.packs.map { PackUse(id: $0.id, size: $0.size) }
            for position in 0..<index.file.count {
                let entry = index.file[position]
                let pack = Int(entry.pack)
                guard pack < own.count, index.isLive[pack] else { continue }
                own[pack].add(entry, isLive: live.live[number][position], isCopy: live.copies[number][position])
            }
            for (pack, isLive) in zip(own, index.isLive) where isLive { uses.append(pack) }
        }
        return uses.sorted { $0.id < $1.id }
    }
}
