extension Collector {
    /// Puts trees in order, then collects.
    mutating func repack(_ options: RepackOptions) throws(StoreError) -> RepackReport {
        var report = RepackReport()
        let commits: [Digest]
        if let chosen = options.commits { commits = chosen } else { commits = try youngestFirst() }
        let progress = progress
        let fresh = freshPacks()
        var layout = TreeLayout(
            store, try store.keeper.checkedCatalog(), fresh, copiesAll: false, encodesAnew: false,
            toleratedJumps: options.toleratedJumps
        ) { progress(CollectProgress(phase: .rewriting, done: $0, total: 0)) }
        for commit in commits { try layout.add(commit) }
        let packs = try fresh.publish()
        for pack in packs { report.written.add(pack.size) }
        report.trees = layout.trees
        report.objects = layout.objects
        report.jumpsBefore = layout.jumps
        try collectRest(kept: Set(packs.map(\.id)))
        report.collection = self.report
        // The same once more, for the jumps only.
        var after = TreeLayout(
            store, try store.keeper.checkedCatalog(), freshPacks(), copiesAll: false, encodesAnew: false,
            toleratedJumps: .max
        ) { _ in }
        for commit in commits {
            do throws(StoreError) {
                try after.add(commit)
            } catch {
                // Removed while this was going on, and collected.
                guard error.code == .notFound else { throw error }
            }
        }
        report.jumpsAfter = after.jumps
        return report
    }

    /// Stores what commits need (or everything) with another compression, then collects.
    mutating func recompress(_ compression: Compression, _ commits: [Digest]?) throws(StoreError) -> RecompressReport {
        var report = RecompressReport()
        let fresh = freshPacks(compression)
        let progress = progress
        if let commits {
            var layout = TreeLayout(
                store, try store.keeper.checkedCatalog(), fresh, copiesAll: true, encodesAnew: true, toleratedJumps: 0
            ) { progress(CollectProgress(phase: .rewriting, done: $0, total: 0)) }
            for commit in commits { try layout.add(commit) }
            let packs = try fresh.publish()
            report.objects = layout.objects
            report.bytesBefore = layout.bytes
            report.bytesAfter = fresh.frameBytes
            for pack in packs { report.written.add(pack.size) }
            try collectRest(kept: Set(packs.map(\.id)))
        } else {
            var marker = try mark(preferred: [])
            var plan = CollectPlan(marker.live, options, kept: [])
            // Every pack goes, a few at a time; what has no live object goes without being read.
            plan.rewrite = plan.uses.filter { $0.live > 0 }
            let written = try carryOut(plan, &marker, compression: compression)
            compactIndexes()
            report.objects = written.objects
            report.bytesBefore = written.bytes
            report.bytesAfter = written.frameBytes
            report.written = self.report.written
        }
        report.collection = self.report
        return report
    }

    /// Collects, keeping these packs rather than others.
    private mutating func collectRest(kept: Set<Digest>) throws(StoreError) {
        var marker = try mark(preferred: kept)
        var plan = CollectPlan(marker.live, options, kept: kept)
        // A reader takes any copy, so the old ones have to go for the new order to be of use.
        plan.rewriteCopies(kept: kept)
        _ = try carryOut(plan, &marker, compression: nil)
        compactIndexes()
    }

    /// The commits of all refs, the youngest first.
    private func youngestFirst() throws(StoreError) -> [Digest] {
        var commits: [(time: Timestamp, digest: Digest)] = []
        for digest in try Set(store.refs().map(\.digest)) { commits.append((try store.commit(digest).time, digest)) }
        return commits.sorted { ($1.time, $1.digest) < ($0.time, $0.digest) }.map(\.digest)
    }
}
