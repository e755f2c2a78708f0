import ContentStore
import Lineage

/// How much a store holds, and who needs it: the JSON of `stemma store stats`.
package struct UsageReport: Sendable, Codable {
    /// The directory of the store.
    package let path: String
    package let counts: StoreStatistics
    package let usage: StoreUsage
    /// The VM whose parts the groups are; nil when they are all that the store has.
    package let vm: String?

    /// For people: a row for each group, then the sums.
    package var rows: [[String]] {
        usage.groups.map { group in
            [
                group.name, Text.size(group.virtualBytes), Text.size(group.logicalBytes), Text.size(group.total.bytes),
                Text.size(group.total.storedBytes), Text.size(group.exclusive.storedBytes),
            ]
        }
    }

    /// The heading of ``rows``: what the guests see, what of it is not zero, unique, compressed, and what nobody else needs.
    package static let heading = ["NAME", "SIZE", "DATA", "UNIQUE", "STORED", "OWN"]

    /// The sums, for people.
    package var text: String {
        func amount(_ amount: StoreUsage.Amount) -> String {
            "\(Text.size(amount.bytes)) in \(amount.objects) objects, \(Text.size(amount.storedBytes)) stored"
        }
        var lines = ["in use      \(amount(usage.total))", "shared      \(amount(usage.shared))"]
        if vm == nil {
            lines += [
                "on disk     \(Text.size(counts.packBytes)) in \(counts.packs) packs, \(Text.size(counts.indexBytes)) of indexes",
                "not in use  \(Text.size(usage.unneededBytes)) (what undo needs is among it; 'stemma store gc' frees the rest)",
            ]
        }
        if usage.total.storedBytes > 0 {
            let ratio = Double(usage.logicalBytes) / Double(usage.total.storedBytes)
            lines.append("saved       \(Text.size(usage.logicalBytes)) of data in 1/\(Text.factor(ratio)) of the room")
        }
        if usage.missing > 0 {
            lines.append(
                "damaged     \(usage.missing) objects are missing or cannot be read: run 'stemma store verify'")
        }
        return lines.joined(separator: "\n")
    }
}

extension Stemma {
    /// What each VM needs (with its snapshots), or each snapshot of one VM; experiments and other names are one group each.
    package func usage(of vm: Name? = nil) throws -> UsageReport {
        let step = "counting \(store.path)"
        progress.step(step)
        let groups = try vm.map(parts) ?? everyone()
        let total = UInt64(groups.count)
        let usage = try store.usage(of: groups) { done in
            progress.amount(step, ProgressAmount(done: UInt64(done), total: total, unit: .items("groups")))
        }
        return UsageReport(path: store.path, counts: try store.statistics(), usage: usage, vm: vm?.text)
    }

    private func everyone() throws -> [(name: String, commits: [Digest])] {
        var machines: [Name: [Digest]] = [:]
        var experiments: [Digest] = []
        var others: [Digest] = []
        for (ref, digest) in try store.refs() {
            let subject = RefSubject(ref: ref)
            if let vm = subject.vm {
                machines[vm, default: []].append(digest)
            } else if case .experiment = subject {
                experiments.append(digest)
            } else {
                others.append(digest)
            }
        }
        var groups = machines.sorted { $0.key < $1.key }.map { (name: $0.key.text, commits: $0.value) }
        if !experiments.isEmpty { groups.append(("(experiments)", experiments)) }
        if !others.isEmpty { groups.append(("(other)", others)) }
        return groups
    }

    private func parts(of vm: Name) throws -> [(name: String, commits: [Digest])] {
        let machine = try catalogue.vm(vm)
        return [(vm.text, [machine.head.digest])] + machine.snapshots.map { ("\(vm):\($0.name)", [$0.digest]) }
    }
}
