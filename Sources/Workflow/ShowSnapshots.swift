import CPUModel
import ContentStore
import Foundation
import Hypervisor
import Lineage
import VMState

/// A snapshot in `stemma snapshot list`.
package struct SnapshotListing: Sendable, Codable {
    package let name: String
    package let kind: String
    package let time: String
    package let accelerator: String?
    package let ramBytes: UInt64
    package let message: String
    package let tags: [String]
    package let note: String

    /// Cells of a table: name, kind, time, what ran the guest, RAM, tags, and the first line of the note.
    package var columns: [String] {
        [
            name, kind, time, Text.accelerator(accelerator), Text.mebibytes(ramBytes), tags.joined(separator: ","),
            Text.firstLine(note),
        ]
    }

    init(_ named: NamedCommit) {
        name = named.name.text
        kind = named.commit.kind
        time = Text.time(named.commit.time)
        accelerator = named.commit.attributes[Attribute.accelerator]
        ramBytes = named.commit.ram["pc.ram"]?.length ?? 0
        message = named.commit.message
        tags = named.annotation.tags.map(\.text)
        note = named.annotation.note
    }
}

/// What `stemma snapshot show` tells.
package struct SnapshotDetails: Sendable, Codable {
    package let name: String
    package let commit: String
    package let parents: [String]
    package let kind: String
    package let time: String
    package let message: String
    package let tags: [String]
    package let note: String
    package let attributes: [String: String]
    package let machine: MachineConfiguration
    /// Where it is known from what the guest saw of its CPU; nil if that was not recorded. 'stemma cpu show' tells what it is.
    package let fingerprint: FingerprintSource?
    package let disks: [String: TreeRoot]
    package let ram: [String: TreeRoot]
    /// Device sections of the machine state, `name#instance`, with their sizes in bytes.
    package let devices: [String: Int]

    package var text: String {
        var lines = [
            "\(name)  (\(kind), \(time))", "  commit       \(commit)",
            "  parent       \(parents.joined(separator: " "))",
            "  \(message)",
        ]
        if !tags.isEmpty { lines.append("  tags         \(tags.joined(separator: ", "))") }
        for (number, line) in note.split(separator: "\n").enumerated() {
            lines.append("  \(number == 0 ? "note" : "    ")         \(line)")
        }
        lines += [
            "  machine      \(machine.machine), \(machine.cpus) CPU, \(machine.memoryMiB) MiB",
            "  cpu          \(machine.cpu)",
        ]
        if let cpu = fingerprint { lines.append("  saw          \(cpu.text)") }
        let shown = [Attribute.cpu, Attribute.commandLine, Attribute.tags, Attribute.note]
        for (key, value) in attributes.sorted(by: { $0.key < $1.key }) where !shown.contains(key) {
            lines.append("  " + key.padding(toLength: max(13, key.count + 1), withPad: " ", startingAt: 0) + value)
        }
        for (id, root) in disks.sorted(by: { $0.key < $1.key }) {
            lines.append("  disk         \(id) \(Text.mebibytes(root.length)) \(root.digest?.hex ?? "all zero")")
        }
        for (block, root) in ram.sorted(by: { $0.key < $1.key }) {
            lines.append("  ram          \(block) \(Text.mebibytes(root.length)) \(root.digest?.hex ?? "all zero")")
        }
        lines.append("  devices      " + devices.keys.sorted().joined(separator: ", "))
        return lines.joined(separator: "\n")
    }
}

extension Stemma {
    /// The snapshots of a VM that have all of some tags, by name.
    package func listSnapshots(of vm: Name, tags: [Name] = []) throws -> [SnapshotListing] {
        try catalogue.vm(vm).snapshots.filter { Set(tags).isSubset(of: $0.annotation.tags) }.map(SnapshotListing.init)
    }

    /// Everything about one snapshot.
    package func showSnapshot(_ reference: Reference) throws -> SnapshotDetails {
        let found = try catalogue.snapshot(reference)
        let state = try machineState(of: found)
        var devices: [String: Int] = [:]
        for section in state.stream.devices { devices[section.name] = section.payload.count }
        return SnapshotDetails(
            name: reference.description, commit: found.digest.hex, parents: found.commit.parents.map(\.hex),
            kind: found.commit.kind, time: Text.time(found.commit.time), message: found.commit.message,
            tags: found.annotation.tags.map(\.text), note: found.annotation.note,
            attributes: found.commit.attributes,
            machine: try configuration(of: found.commit, named: reference.description),
            fingerprint: try recordedFingerprint(of: found.commit)?.source, disks: found.commit.disks,
            ram: found.commit.ram, devices: devices)
    }
}
