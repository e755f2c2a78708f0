import ContentStore
import GuestFiles

/// What differs between two VMs or snapshots.
package struct DifferenceReport: Sendable, Encodable {
    package let from: String
    package let to: String
    /// Settings of the machine that differ.
    package var machine: [FieldDifference] = []
    package var disks: [DiskDifference] = []
    package var memory: [MemoryDifference] = []
    package var devices: [DeviceDifference] = []

    /// Whether the two are the same in everything that is compared.
    package var isEmpty: Bool {
        machine.isEmpty && devices.isEmpty && !disks.contains { $0.differs } && !memory.contains { $0.differs }
    }
}

/// A value with a name, before and after; nil where there is none.
package struct FieldDifference: Sendable, Encodable, Hashable {
    package let field: String
    package let before: String?
    package let after: String?
}

/// A disk, by its id. Sizes are bytes, differences whole chunks of 64 KiB.
package struct DiskDifference: Sendable, Encodable {
    package let disk: String
    /// Nil when the disk is not there.
    package let sizeBefore: UInt64?
    package let sizeAfter: UInt64?
    package var size = TreeDifferenceSize()
    /// Where; only when asked for.
    package var blocks: [TreeDifference]?
    package var fileSystems: [FileSystemDifference] = []

    package var differs: Bool { sizeBefore != sizeAfter || size.total > 0 }
}

/// A file system on a disk.
package struct FileSystemDifference: Sendable, Encodable {
    /// "vda1", or "vda" for a file system on the whole disk.
    package let name: String
    package let kind: String
    package var label: String?
    package var changes: [FileDifference.Change] = []
    /// What the reader should know, for example that the file system was in use.
    package var notes: [String] = []
}

/// A block of RAM by QEMU's name. Differences are whole pages of 4 KiB.
package struct MemoryDifference: Sendable, Encodable {
    package let block: String
    package let sizeBefore: UInt64?
    package let sizeAfter: UInt64?
    package let size: TreeDifferenceSize

    package var differs: Bool { sizeBefore != sizeAfter || size.total > 0 }
}

/// A section of the machine state.
package struct DeviceDifference: Sendable, Encodable {
    package enum Kind: String, Sendable, Encodable { case added, removed, changed }

    /// Name and instance: `cpu#0`.
    package let section: String
    package let kind: Kind
    /// The fields that differ; empty for a section whose fields have no names.
    package var fields: [FieldDifference] = []
}
