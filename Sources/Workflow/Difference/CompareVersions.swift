import ContentStore
import Foundation
import GuestFiles
import Lineage

extension Stemma {
    /// What a comparison shows.
    package struct DifferenceOptions: Sendable {
        /// List the ranges of the disks that differ.
        package var listsBlocks = false
        /// Look into file systems.
        package var comparesFiles = true

        package init() {}
    }

    /// What differs between two VMs or snapshots, related or not: machine, disks and their files, RAM, devices.
    ///
    /// Time and memory depend on what differs, but for file systems that differ at all: their inodes and directories are read.
    package func difference(
        from first: Reference, to second: Reference, options: DifferenceOptions = DifferenceOptions()
    ) throws -> DifferenceReport {
        let (before, beforeLease) = try pinned(first, label: "diff \(first) \(second)")
        let (after, afterLease) = try pinned(second, label: "diff \(first) \(second)")
        defer { withExtendedLifetime((beforeLease, afterLease)) {} }
        var report = DifferenceReport(from: first.description, to: second.description)
        report.machine = try machineDifference(before.commit, first, after.commit, second)
        report.disks = try union(before.commit.disks, after.commit.disks).map { id, old, new in
            try diskDifference(id, old, new, options)
        }
        report.memory = try union(before.commit.ram, after.commit.ram).map { block, old, new in
            MemoryDifference(
                block: block, sizeBefore: old?.length, sizeAfter: new?.length,
                size: try store.differenceSize(old, new))
        }
        if before.commit.state != nil, after.commit.state != nil {
            report.devices = try DeviceComparison(
                before: machineState(of: before).stream, after: machineState(of: after).stream
            ).differences()
        }
        return report
    }

    private func union(
        _ first: [String: TreeRoot], _ second: [String: TreeRoot]
    ) -> [(name: String, before: TreeRoot?, after: TreeRoot?)] {
        Set(first.keys).union(second.keys).sorted().map { ($0, first[$0], second[$0]) }
    }

    /// Settings by the names of the configuration's JSON.
    private func machineDifference(
        _ before: Commit, _ first: Reference, _ after: Commit, _ second: Reference
    ) throws -> [FieldDifference] {
        guard let old = before.machine, let new = after.machine, old != new else { return [] }
        let left = try settings(store.blob(old), of: first)
        let right = try settings(store.blob(new), of: second)
        return Set(left.keys).union(right.keys).sorted().compactMap { name in
            left[name] == right[name] ? nil : FieldDifference(field: name, before: left[name], after: right[name])
        }
    }

    private func settings(_ json: [UInt8], of reference: Reference) throws -> [String: String] {
        guard let object = try? JSONSerialization.jsonObject(with: Data(json)) as? [String: Any] else {
            throw WorkflowError(.malformed, "The machine configuration of \(reference) cannot be read.")
        }
        return try object.mapValues { value in
            let data = try JSONSerialization.data(
                withJSONObject: value, options: [.fragmentsAllowed, .sortedKeys, .withoutEscapingSlashes])
            return String(decoding: data, as: UTF8.self)
        }
    }

    private func diskDifference(
        _ id: String, _ before: TreeRoot?, _ after: TreeRoot?, _ options: DifferenceOptions
    ) throws -> DiskDifference {
        var difference = DiskDifference(disk: id, sizeBefore: before?.length, sizeAfter: after?.length)
        difference.size = try store.differenceSize(before, after)
        guard let before, let after, difference.size.total > 0 else { return difference }
        var ranges: [TreeDifference] = []
        try store.difference(before, after) { ranges.append($0) }
        if options.listsBlocks { difference.blocks = ranges }
        if options.comparesFiles {
            progress.step("comparing the files of \(id)")
            difference.fileSystems = try FileSystemComparison(
                disk: id, before: StoredDisk(store, before), after: StoredDisk(store, after),
                changed: ranges.map { $0.offset..<$0.end }
            ).differences()
        }
        return difference
    }
}
