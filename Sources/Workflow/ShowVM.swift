import ContentStore
import Hypervisor
import Lineage

/// A disk of a VM in `stemma vm show` and `vm disk list`.
package struct DiskListing: Sendable, Codable {
    package let id: String
    /// The PCI slot, which is part of the device's name in a migration stream.
    package let slot: Int
    /// Bytes as the guest sees them.
    package let sizeBytes: UInt64
    /// The top of the disk's tree; nil when every byte is zero.
    package let digest: String?

    /// Cells of a table: id, size, slot, contents.
    package var columns: [String] {
        [id, Text.size(sizeBytes), "0x" + String(slot, radix: 16), digest.map { String($0.prefix(12)) } ?? "all zero"]
    }
}

/// What `stemma vm show` tells.
package struct VMDetails: Sendable, Codable {
    package let name: String
    package let commit: String
    package let kind: String
    package let time: String
    package let message: String
    package let source: String?
    /// The VM that it was cloned from, by its present name.
    package let cloneOf: String?
    /// The process of its run; nil when it is not running.
    package let runningProcess: Int32?
    package let machine: MachineConfiguration
    package let disks: [DiskListing]
    package let snapshots: [SnapshotListing]

    package var text: String {
        var lines = ["\(name)  (\(kind), \(time))", "  commit     \(commit)"]
        if !message.isEmpty { lines.append("  \(message)") }
        if let source { lines.append("  from       \(source)") }
        if let cloneOf { lines.append("  clone of   \(cloneOf)") }
        if let runningProcess { lines.append("  running    process \(runningProcess)") }
        lines.append("  machine    \(machine.machine), \(machine.cpus) CPU, \(machine.memoryMiB) MiB, \(machine.cpu)")
        for disk in disks { lines.append("  disk       " + disk.columns.joined(separator: "  ")) }
        for snapshot in snapshots {
            lines.append("  snapshot   " + snapshot.columns.filter { !$0.isEmpty && $0 != "-" }.joined(separator: "  "))
        }
        return lines.joined(separator: "\n")
    }
}

extension Stemma {
    /// Everything about one VM.
    package func showVM(_ name: Name) throws -> VMDetails {
        let vm = try catalogue.vm(name)
        let commit = vm.head.commit
        let configuration = try configuration(of: commit, named: name.text)
        return VMDetails(
            name: name.text, commit: vm.head.digest.hex, kind: commit.kind, time: Text.time(commit.time),
            message: commit.message, source: commit.attributes[Attribute.source],
            cloneOf: try origin(of: vm.head)?.description,
            runningProcess: try runs.running(name: name.text)?.ownerProcess, machine: configuration,
            disks: Self.disks(of: commit, configuration), snapshots: vm.snapshots.map(SnapshotListing.init))
    }

    static func disks(of commit: Commit, _ configuration: MachineConfiguration) -> [DiskListing] {
        let trees = commit.disks
        return configuration.disks.map {
            DiskListing(
                id: $0.id, slot: $0.slot, sizeBytes: trees[$0.id]?.length ?? 0, digest: trees[$0.id]?.digest?.hex)
        }
    }

    /// What a clone was made from, when that still has a name.
    private func origin(of head: NamedCommit) throws -> Reference? {
        guard head.commit.edge == .clone, let parent = head.commit.parents.first else { return nil }
        return try catalogue.references()[parent]?.first
    }
}
