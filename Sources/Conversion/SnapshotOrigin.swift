import VMState

/// Who ran the guest when the snapshot was taken.
package enum SnapshotOrigin: String, Sendable, Hashable, Codable {
    case kvm
    case tcg
    case unknown

    /// What the stream itself tells (see the module's documentation).
    package init(inferredFrom stream: MigrationStream, cpus: [CPUSection]) {
        if !stream.devices(named: "kvmclock").isEmpty {
            self = .kvm
        } else if let name = stream.machineName, let machine = MachineType(name: name),
            (machine.major, machine.minor) >= (5, 2)
        {
            self = .tcg
        } else {
            self = cpus.allSatisfy { $0.tsc == 0 } ? .tcg : .unknown
        }
    }
}
