/// What is known of the command line that ran the guest, and that shall resume its snapshot.
package struct LaunchRecord: Sendable, Hashable, Codable {
    /// A virtio-blk disk.
    package struct Disk: Sendable, Hashable, Codable {
        /// PCI slot on the root bus.
        package var slot: Int
        /// Size of the disk that belongs to the snapshot, if that is known.
        package var bytes: UInt64?

        /// Makes a disk.
        package init(slot: Int, bytes: UInt64? = nil) {
            self.slot = slot
            self.bytes = bytes
        }
    }

    /// Value of `-M`.
    package var machine: String
    /// Value of `-cpu`.
    package var cpu: String
    /// The guest really ran with ``cpu``; otherwise it is a guess, as for snapshots of other people's machines.
    package var isCPUKnown: Bool
    /// Number of virtual CPUs (`-smp`).
    package var cpus: Int
    /// Bytes of main memory (`-m`).
    package var memoryBytes: UInt64
    /// Disks, in order of their slots.
    package var disks: [Disk]
    /// Further arguments, for example `-global` and its value.
    package var arguments: [String]

    /// Makes a record.
    package init(
        machine: String, cpu: String, isCPUKnown: Bool = true, cpus: Int, memoryBytes: UInt64, disks: [Disk] = [],
        arguments: [String] = []
    ) {
        self.machine = machine
        self.cpu = cpu
        self.isCPUKnown = isCPUKnown
        self.cpus = cpus
        self.memoryBytes = memoryBytes
        self.disks = disks
        self.arguments = arguments
    }
}

/// A pass over the command line that shall resume a snapshot.
package protocol LaunchFix: Sendable {
    /// Fixed id, for example `set-ioapic-version`.
    static var id: String { get }

    /// Edits the record.
    ///
    /// - Parameter context: the snapshot as it was before any fix, and the target.
    /// - Returns: all changes, with `command line` as their section.
    func apply(to launch: inout LaunchRecord, context: CheckContext) throws -> [StreamChange]
}

/// The fixes of the command line.
package enum LaunchFixes {
    /// By their ids; no id is also one of ``StreamFixes`` or ``SnapshotFixes``.
    package static let all: [String: any LaunchFix] = [
        SetCPUModel.id: SetCPUModel(), SetCPUFeatures.id: SetCPUFeatures(), SetPhysicalBits.id: SetPhysicalBits(),
        SetIOAPICVersion.id: SetIOAPICVersion(), SetMemorySize.id: SetMemorySize(), SetCPUCount.id: SetCPUCount(),
    ]
}

extension StreamChange {
    /// A change of the command line.
    static func commandLine(_ option: String, before: String, after: String) -> StreamChange {
        StreamChange(section: "command line", field: option, before: before, after: after)
    }
}
