/// An internal snapshot as QEMU sees it: one entry of the same name in every writable qcow2 node.
package struct InternalSnapshot: Codable, Sendable, Hashable {
    /// The tag that `savevm` was given.
    package var name: String
    /// The image-internal id of the snapshot, by block node.
    package var ids: [String: String]
    /// The node whose image holds the machine state (the migration stream).
    package var machineStateNode: String?
    /// The size of that stream in bytes; 0 when there is none.
    package var machineStateSize: UInt64
    /// When it was taken, seconds and nanoseconds since 1970.
    package var seconds: Int64
    package var nanoseconds: Int64

    package init(
        name: String, ids: [String: String], machineStateNode: String?, machineStateSize: UInt64, seconds: Int64,
        nanoseconds: Int64
    ) {
        self.name = name
        self.ids = ids
        self.machineStateNode = machineStateNode
        self.machineStateSize = machineStateSize
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// Whether every node of the machine holds it and one of them holds the machine state. A snapshot is incomplete
    /// when QEMU died while it was written, and always when it ``lacksMemory``.
    package func isComplete(for configuration: MachineConfiguration) -> Bool {
        !lacksMemory && machineStateSize > 0 && configuration.disks.allSatisfy { ids[$0.id] != nil }
    }
}

/// What changed in the list of internal snapshots of a running machine.
package enum SnapshotChange: Sendable, Hashable {
    /// A snapshot that was not there before, or one that replaced another of its name.
    case saved(InternalSnapshot)
    /// A snapshot that is no longer there.
    case removed(name: String)

    /// The changes from one list to the next; removals first, then in the order of the new list.
    package static func changes(from old: [InternalSnapshot], to new: [InternalSnapshot]) -> [SnapshotChange] {
        let names = Set(new.map(\.name))
        let known = Set(old)
        return old.filter { !names.contains($0.name) }.map { .removed(name: $0.name) }
            + new.filter { !known.contains($0) }.map { .saved($0) }
    }
}
