import ContentStore
import Lineage

extension CollectReport {
    /// For people: what was there, what was done, what is there now.
    package var text: String {
        func packs(_ count: PackCount) -> String {
            "\(Text.size(count.bytes)) in \(count.packs) pack\(count.packs == 1 ? "" : "s")"
        }
        var lines = [
            "needed      \(Text.size(liveBytes)) in \(liveObjects) objects, by \(refs) refs and \(operations) operations",
            "not needed  \(Text.size(deadBytes)) in \(deadObjects) objects",
        ]
        func add(_ word: String, _ count: PackCount) {
            if count.packs > 0 { lines.append(word.padding(toLength: 12, withPad: " ", startingAt: 0) + packs(count)) }
        }
        add("rewritten", rewritten)
        add("written", written)
        add("brought back", resurrected)
        lines.append((isDryRun ? "would free  " : "freed       ") + packs(freed))
        if waitingPacks.packs > 0 {
            lines.append("waiting     \(packs(waitingPacks)), until these end:")
            for lease in waiting {
                lines.append(
                    "  \(lease.label) (process \(lease.process), since \(Text.time(lease.started))): \(Text.size(lease.trash.bytes))"
                )
            }
        }
        lines.append(
            (isDryRun ? "would leave " : "on disk     ") + "\(packs(after)), \(Text.size(unusedBytes)) of it of no use")
        if !damagedPacks.isEmpty {
            lines.append(
                "damaged     \(damagedPacks.count) packs were left as they are: run 'stemma store verify --deep'")
        }
        return lines.joined(separator: "\n")
    }
}

extension RepackReport {
    /// For people.
    package var text: String {
        let head =
            objects == 0
            ? "\(trees) trees are in order: reading all of them jumps \(jumpsBefore) times"
            : "\(objects) objects of \(trees) trees put in order: reading all of them jumps \(jumpsAfter) times, before \(jumpsBefore)"
        return head + "\n" + collection.text
    }
}

extension RecompressReport {
    /// For people.
    package var text: String {
        let head =
            objects == 0
            ? "all of it is compressed like this already"
            : "\(objects) objects stored anew: \(Text.size(bytesBefore)) became \(Text.size(bytesAfter))"
        return head + "\n" + collection.text
    }
}

extension Stemma {
    /// Deletes what nothing needs any more.
    package func collectStore(_ options: CollectRequest) throws -> CollectReport {
        progress.step(options.isDryRun ? "looking for what nothing needs" : "freeing what nothing needs")
        let pins = try pinWrites()
        defer { withExtendedLifetime(pins) {} }
        return try store.collect(options.options, progress: tell)
    }

    /// Puts the trees of VMs - all when none is named - in the order of reading.
    package func repackStore(_ vms: [Name], _ options: CollectRequest) throws -> RepackReport {
        let commits = try commits(of: vms)
        progress.step("putting \(store.path) in order")
        let pins = try pinWrites()
        defer { withExtendedLifetime(pins) {} }
        return try store.repack(
            RepackOptions(commits: commits, collect: options.options), progress: tell)
    }

    /// Stores what VMs hold - all that the store holds when none is named - with another compression.
    package func recompressStore(
        _ compression: StoreCompression, _ vms: [Name], _ options: CollectRequest
    ) throws -> RecompressReport {
        let commits = try commits(of: vms)
        progress.step("compressing \(vms.isEmpty ? store.path : vms.map(\.text).joined(separator: ", "))")
        let pins = try pinWrites()
        defer { withExtendedLifetime(pins) {} }
        return try store.recompress(
            compression.compression, commits: commits, options: options.options, progress: tell)
    }

    /// The commits that VMs name, heads first; nil for no VM.
    private func commits(of vms: [Name]) throws -> [Digest]? {
        if vms.isEmpty { return nil }
        let machines = try vms.map { try catalogue.vm($0) }
        var seen: Set<Digest> = []
        return (machines.map(\.head.digest) + machines.flatMap { $0.snapshots.map(\.digest) })
            .filter { seen.insert($0).inserted }
    }

    private var tell: (CollectProgress) -> Void {
        let progress = progress
        return { step in
            let total = step.total == 0 ? nil : step.total
            switch step.phase {
            case .marking:
                progress.amount(
                    "finding what is needed", ProgressAmount(done: step.done, total: total, unit: .items("objects")))
            case .rewriting: progress.amount("writing packs", ProgressAmount(done: step.done, total: total))
            case .sweeping:
                progress.amount("clearing away", ProgressAmount(done: step.done, total: total, unit: .items("packs")))
            }
        }
    }
}

/// How `stemma store gc`, `repack` and `recompress` clear away.
package struct CollectRequest: Sendable {
    /// What so many operations at the end of the log need is kept for undo; nil for the store's default.
    package var keepOperations: Int?
    /// The part of the packs, in per cent, that may be of no use; nil for the store's default.
    package var maximumUnusedPercent: Double?
    package var isDryRun = false

    package init() {}

    var options: CollectOptions {
        var options = CollectOptions(isDryRun: isDryRun)
        if let keepOperations { options.keepOperations = max(0, keepOperations) }
        if let maximumUnusedPercent { options.maximumUnused = min(max(maximumUnusedPercent / 100, 0), 1) }
        return options
    }
}
