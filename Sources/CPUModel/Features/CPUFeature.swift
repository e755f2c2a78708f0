/// What a feature is about: the groups of reports.
package enum FeatureGroup: String, Sendable, Codable, CaseIterable {
    /// Instructions on general registers that any program may use.
    case instructions
    /// SSE, AVX, AVX-512, AMX.
    case vector
    /// Register state that XSAVE keeps, and how.
    case state
    /// Paging and protection, system calls.
    case system
    /// Interrupt controllers, timers, the time stamp counter.
    case timers
    /// Defences against speculation attacks, and statements about not needing them.
    case mitigations
    /// Performance counters, tracing, debugging.
    case monitoring
    /// Power, temperature, cache allocation.
    case platform
    /// Running guests, and enclaves.
    case virtualization
    /// What a hypervisor offers to its guest.
    case paravirtual

    /// The heading in reports.
    package var title: String {
        switch self {
        case .instructions: "instructions"
        case .vector: "vector instructions"
        case .state: "extended state (XSAVE)"
        case .system: "paging, protection, system calls"
        case .timers: "timers and interrupts"
        case .mitigations: "speculation"
        case .monitoring: "counters, tracing, debugging"
        case .platform: "power and platform"
        case .virtualization: "virtualization and enclaves"
        case .paravirtual: "paravirtual interface"
        }
    }
}

/// A bit with a name.
package struct CPUFeature: Sendable, Hashable {
    package var bit: FeatureBit
    /// The name in reports: QEMU's where it has one.
    package var name: String
    /// Names that QEMU's `-cpu` takes, the usual one first.
    package var qemu: [String]
    /// Names in libvirt's XML, the usual one first.
    package var libvirt: [String]
    /// The word in the flags of `/proc/cpuinfo`; nil if Linux shows none.
    package var linux: String?
    package var group: FeatureGroup
    /// Follows what the operating system switches on (OSXSAVE), or repeats another bit: says nothing about the CPU.
    package var isDerived: Bool
}
