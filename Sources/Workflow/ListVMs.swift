import Lineage

/// A VM in `stemma vm list`.
package struct VMListing: Sendable, Codable {
    package let name: String
    /// Bytes of its disks, as the guest sees them.
    package let sizeBytes: UInt64
    package let snapshots: [String]

    /// As S2E's tools show it.
    package var text: String {
        var lines = [name, "  Size: \(Text.mebibytes(sizeBytes))"]
        if !snapshots.isEmpty {
            lines.append("  Snapshots:")
            lines += snapshots.map { "    \($0)" }
        }
        return lines.joined(separator: "\n")
    }
}

extension Stemma {
    /// Every VM, by name.
    package func listVMs() throws -> [VMListing] {
        try catalogue.vms().map {
            VMListing(
                name: $0.name.text, sizeBytes: $0.head.commit.diskSize, snapshots: $0.snapshots.map(\.name.text))
        }
    }
}
