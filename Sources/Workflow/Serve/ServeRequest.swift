import Lineage

/// What a user asks of `stemma vm serve`.
package struct ServeRequest: Sendable {
    package var reference: Reference
    /// Clients may write; what they write becomes a version of the VM by `stemma vm commit`.
    package var isWritable = false
    /// The disks to serve; all when empty.
    package var disks: [String] = []

    package init(_ reference: Reference) { self.reference = reference }
}

/// A disk that is served.
package struct ServedDisk: Sendable, Codable {
    package let disk: String
    /// The address, as qemu-img, libnbd and `nbdinfo` take it.
    package let uri: String
    /// Bytes.
    package let size: UInt64
    package let isWritable: Bool
}

/// What `stemma vm commit` did.
package struct CommitReport: Sendable, Codable {
    package let vm: String
    /// The new head; nil when nothing had been written.
    package let commit: String?
    /// Bytes of the disks that were written or zeroed.
    package let changedBytes: UInt64
    /// Bytes that the store did not have, before compression.
    package let newBytes: UInt64

    package var text: String {
        guard commit != nil else { return "nothing was written to \(vm) since its last version" }
        return "\(vm) has a new version: \(Text.size(changedBytes)) written, \(Text.size(newBytes)) new in the store"
    }
}

/// What one process asks of the one that serves a VM, as a line of JSON on its request socket.
struct ServeMessage: Codable, Sendable {
    /// Commit what was written.
    var message: String
    /// As a VM of this name instead of a new version of the one that is served.
    var newVM: String?

    struct Answer: Codable, Sendable {
        var report: CommitReport?
        var error: String?
        var exitCode: Int32?
    }
}
