import Glibc

/// One collection. Holds the lock of the collector and a lease from its beginning to its end. See
/// <doc:Format#The-order-of-a-collection>.
struct Collector {
    let store: ContentStore
    let options: CollectOptions
    let progress: (CollectProgress) -> Void
    private let lock: CollectorLock
    let lease: Lease
    var report = CollectReport()
    /// Packs that this collection has written: they stay, even if a pack with the same bytes was to go.
    private var published: Set<Digest> = []

    /// How many bytes of live objects are rewritten before the packs they were in are retired.
    private static let roundSize: UInt64 = 1 << 30
    /// The same in objects, each of which takes some 100 bytes of memory meanwhile.
    private static let roundObjects = 1 << 19

    init(
        _ store: ContentStore, _ options: CollectOptions, label: String,
        progress: @escaping (CollectProgress) -> Void
    ) throws(StoreError) {
        lock = try CollectorLock(store)
        try store.makeTrash()
        try store.sweep()
        self.store = store
        self.options = options
        self.progress = progress
        lease = try store.lease(label: label, scope: .pins)
    }

    /// Writer of packs for this collection.
    func freshPacks(_ compression: Compression? = nil) -> FreshPacks {
        FreshPacks(
            store, lease: lease.id, packSize: options.packSize, compression: compression ?? options.compression)
    }

    /// Marks, and says in the report what is needed.
    mutating func mark(preferred: Set<Digest>) throws(StoreError) -> Marker {
        let catalog = try store.keeper.checkedCatalog()
        if !options.toleratesDamage { try requireWhole(catalog) }
        var marker = Marker(
            store, catalog, preferred: preferred, toleratesDamage: options.toleratesDamage, progress: progress)
        let roots = try Roots(store, options, own: lease.id)
        try marker.mark(roots)
        report.count(roots, marker)
        return marker
    }

    /// Throws if a pack was indexed just now and could not be read: what it holds would be taken for collected long ago, and all that it
    /// names would be of no use.
    private func requireWhole(_ catalog: Catalog) throws(StoreError) {
        for index in catalog.indexes where index.name == nil {
            for (pack, isLive) in zip(index.file.packs, index.isLive) where isLive {
                let path = store.layout.pack(pack.id)
                guard let damage = try PackFile(path, in: store.fileSystem).contents().damage else { continue }
                throw Roots.refusal(damage, "it is not known what a pack holds")
            }
        }
    }

    /// Rewrites and retires what the plan says, deletes what can be deleted.
    ///
    /// - Parameter compression: what every frame is encoded anew with; nil to copy frames as they are.
    mutating func carryOut(
        _ plan: CollectPlan, _ marker: inout Marker, compression: Compression?
    ) throws(StoreError) -> Rewritten {
        var rewritten = Rewritten()
        report.count(plan)
        marker.live.touched = []
        // What has further copies goes only after the kept ones were read.
        let dead = plan.dead.filter { $0.copies == 0 }
        report.trashed = count(try retire(dead, &marker))
        try deleteTrash(marker)
        var rest = plan.dead.filter { $0.copies > 0 } + plan.rewrite
        rest.reverse()
        let total = rest.reduce(0) { $0 + $1.liveBytes }
        var done: UInt64 = 0
        while !rest.isEmpty {
            var round: [PackUse] = []
            var bytes: UInt64 = 0
            var objects = 0
            while bytes < Collector.roundSize, objects < Collector.roundObjects, let next = rest.popLast() {
                round.append(next)
                bytes += next.liveBytes
                objects += next.live + next.copies
            }
            // What was marked in them since is moved with the rest.
            marker.live.touched.subtract(round.map(\.id))
            let fresh = freshPacks(compression)
            var evacuation = Evacuation(store, fresh, encodesAnew: compression != nil)
            let progress = progress
            try evacuation.run(round, marker.live) { size in
                done += size
                progress(CollectProgress(phase: .rewriting, done: done, total: total))
            }
            try finish(round, evacuation, fresh, &marker)
            rewritten.objects += evacuation.objects
            rewritten.bytes += evacuation.bytes
            rewritten.frameBytes += fresh.frameBytes
        }
        report.complete(try store.keeper.reload(), plan)
        return rewritten
    }

    /// Makes indexes small again.
    func compactIndexes() { store.keeper.compactIndexes() }

    /// What was put into fresh packs.
    struct Rewritten {
        var objects: UInt64 = 0
        /// Bytes of the frames before, as far as they were of use.
        var bytes: UInt64 = 0
        /// Bytes of the frames now.
        var frameBytes: UInt64 = 0
    }

    /// Publishes what was rewritten and retires what it came from.
    private mutating func finish(
        _ round: [PackUse], _ evacuation: Evacuation, _ fresh: FreshPacks, _ marker: inout Marker
    ) throws(StoreError) {
        for pack in try fresh.publish() {
            report.written.add(pack.size)
            published.insert(pack.id)
        }
        report.damagedPacks += evacuation.damaged
        let done = Set(evacuation.done)
        for pack in try retire(round.filter { done.contains($0.id) }, &marker) {
            if pack.live > 0 { report.rewritten.add(pack.size) } else { report.trashed.add(pack.size) }
        }
        try deleteTrash(marker)
    }

    private func count(_ packs: [PackUse]) -> PackCount {
        PackCount(packs: packs.count, bytes: packs.reduce(0) { $0 + $1.size })
    }

    /// Moves packs to the trash that nothing needs, also not since the marking; returns those that were moved.
    private mutating func retire(_ packs: [PackUse], _ marker: inout Marker) throws(StoreError) -> [PackUse] {
        // Most of what is new is marked before others have to wait.
        try marker.mark(try Roots(store, options, own: lease.id))
        var transaction = try RefTransaction(store)
        try transaction.recover()
        try marker.mark(try Roots(store, options, own: lease.id))
        let there = Set(try store.trashFiles())
        let needed = marker.neededTrash.filter { there.contains($0) }
        for file in needed {
            report.resurrected.add((try? PackFile(store.trashPath(file), in: store.fileSystem).size) ?? 0)
        }
        try store.sweepTables(keepOperations: options.keepOperations)
        try store.resurrect(needed.sorted { ($0.epoch, $0.pack) < ($1.epoch, $1.pack) })
        // The same objects in the same order make the same pack: one that was written before a crash may have been written again.
        let moving = packs.filter { !marker.live.touched.contains($0.id) && !published.contains($0.id) }
        try store.moveToTrash(moving.map(\.id))
        marker.live.forget(Set(moving.map(\.id)))
        progress(CollectProgress(phase: .sweeping, done: UInt64(moving.count), total: UInt64(packs.count)))
        return moving
    }

    /// Deletes packs of the trash that no lease may need, and says what waits.
    private mutating func deleteTrash(_ marker: Marker) throws(StoreError) {
        var isDone = false
        while !isDone {
            // A few at a time, so that changes of refs need not wait for long.
            let transaction = try RefTransaction(store)
            let holders = TrashHolders(try store.liveLeases(), own: lease.id, marker)
            report.waitingPacks = PackCount()
            report.waiting = []
            isDone = true
            var deleted = 0
            for file in try store.trashFiles() {
                let path = store.trashPath(file)
                let size = (try? PackFile(path, in: store.fileSystem).size) ?? 0
                let blocking = holders.blocking(file)
                guard blocking.isEmpty else {
                    report.wait(size, blocking)
                    continue
                }
                if deleted == 64 {
                    isDone = false
                    break
                }
                let fileSystem = store.fileSystem
                try calling("deleting a pack from the trash", path: path) { () throws(SystemCallError) in
                    try fileSystem.unlink(path)
                }
                deleted += 1
                report.freed.add(size)
            }
            _ = consume transaction
        }
    }
}

/// The lock of whoever moves packs away - collector and repair -, held as long as this lives.
final class CollectorLock {
    private let file: FileDescriptor

    init(_ store: ContentStore) throws(StoreError) {
        file = try FileDescriptor(
            store.layout.collectorLock, flags: O_RDWR | O_CREAT, mode: store.layout.fileMode, in: store.fileSystem,
            "opening the lock of the collector")
        guard try file.lock(exclusive: true, wait: false) else {
            throw StoreError(
                .busy,
                "another process collects, repacks, recompresses or repairs this store; try again when it is done",
                path: store.path)
        }
    }
}

/// The leases that keep packs in the trash.
struct TrashHolders {
    private let everything: [LeaseDescription]
    /// Those with pins that were not followed: they may need anything.
    private let unmarked: [LeaseDescription]

    init(_ leases: [(id: String, description: LeaseDescription)], own: String?, _ marker: Marker) {
        let others = leases.filter { $0.id != own }.map(\.description)
        everything = others.filter { $0.scope == .everything && marker.covers($0.pins) }
        unmarked = others.filter { !marker.covers($0.pins) }
    }

    /// The leases that a pack moved to the trash in an epoch waits for.
    func blocking(_ file: TrashFile) -> [LeaseDescription] {
        unmarked + everything.filter { $0.epoch <= file.epoch }
    }
}
