extension ContentStore {
    /// Deletes what nothing needs any more: see <doc:Format#Collecting>.
    ///
    /// Needed is what refs, the last operations and living leases name. Safe at any time, whatever other processes do with the store;
    /// only one collection, repacking or recompressing runs at a time (error `busy`). Throws `damaged`, before anything is moved, when
    /// what a ref needs cannot be read.
    ///
    /// - Parameter progress: called now and then.
    package func collect(
        _ options: CollectOptions = CollectOptions(), progress: @escaping (CollectProgress) -> Void = { _ in }
    ) throws(StoreError) -> CollectReport {
        if options.isDryRun { return try predictCollection(options, progress) }
        try requireWritable(for: "a collection")
        var collector = try Collector(self, options, label: "store gc", progress: progress)
        var marker = try collector.mark(preferred: [])
        _ = try collector.carryOut(CollectPlan(marker.live, options, kept: []), &marker, compression: nil)
        collector.compactIndexes()
        return collector.report
    }

    /// Puts the objects of trees into fresh packs in the order of reading, then collects what that left without use.
    package func repack(
        _ options: RepackOptions = RepackOptions(), progress: @escaping (CollectProgress) -> Void = { _ in }
    ) throws(StoreError) -> RepackReport {
        try requireWritable(for: "repacking")
        var collector = try Collector(self, options.collect, label: "store repack", progress: progress)
        return try collector.repack(options)
    }

    /// Stores objects with another compression, then collects what that left without use. No digest changes.
    ///
    /// - Parameter commits: those whose trees and blobs are stored anew; nil for all that the store keeps.
    package func recompress(
        _ compression: Compression, commits: [Digest]? = nil, options: CollectOptions = CollectOptions(),
        progress: @escaping (CollectProgress) -> Void = { _ in }
    ) throws(StoreError) -> RecompressReport {
        try requireWritable(for: "recompressing")
        var collector = try Collector(self, options, label: "store recompress", progress: progress)
        return try collector.recompress(compression, commits)
    }

    /// What a collection would do. Other processes go on meanwhile, so this is true for one moment only.
    private func predictCollection(
        _ options: CollectOptions, _ progress: @escaping (CollectProgress) -> Void
    ) throws(StoreError) -> CollectReport {
        var report = CollectReport()
        report.isDryRun = true
        var marker = Marker(
            self, try keeper.checkedCatalog(), preferred: [], toleratesDamage: options.toleratesDamage,
            progress: progress)
        let roots = try Roots(self, options, own: nil)
        try marker.mark(roots)
        let plan = CollectPlan(marker.live, options, kept: [])
        report.count(roots, marker)
        report.count(plan)
        let present = try epoch().number ?? 0
        let holders = TrashHolders(try liveLeases(), own: nil, marker)
        func sweep(_ file: TrashFile, _ size: UInt64) {
            let blocking = holders.blocking(file)
            if blocking.isEmpty { report.freed.add(size) } else { report.wait(size, blocking) }
        }
        for file in try trashFiles() {
            let size = (try? PackFile(trashPath(file), in: fileSystem).size) ?? 0
            if marker.neededTrash.contains(file) { report.resurrected.add(size) } else { sweep(file, size) }
        }
        for pack in plan.dead { report.trashed.add(pack.size) }
        for pack in plan.rewrite {
            report.rewritten.add(pack.size)
            report.written.bytes += pack.liveBytes
        }
        for pack in plan.dead + plan.rewrite { sweep(TrashFile(epoch: present + 1, pack: pack.id), pack.size) }
        report.written.packs = Int((report.written.bytes + UInt64(options.packSize) - 1) / UInt64(options.packSize))
        let gone = Set((plan.dead + plan.rewrite).map(\.id))
        for pack in plan.uses where !gone.contains(pack.id) {
            report.after.add(pack.size)
            report.unusedBytes += pack.deadBytes
        }
        report.after.packs += report.written.packs
        report.after.bytes += report.written.bytes
        return report
    }
}
