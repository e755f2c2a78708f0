/// What the machine that shall resume a snapshot is able to do.
package struct TargetProfile: Sendable, Hashable, Codable {
    /// What runs the guest's instructions.
    package enum Accelerator: String, Sendable, Codable {
        case tcg
        case kvm
    }

    /// Name for reports, for example `qemu-tcg-7.2`.
    package var name: String
    /// Version of QEMU.
    package var version: QEMUVersion
    /// What runs the guest's instructions.
    package var accelerator: Accelerator
    /// Names of the machine types that the target knows, aliases not included.
    package var machineTypes: Set<String>
    /// The LAPIC works in x2APIC mode.
    package var hasX2APIC: Bool
    /// The LAPIC timer works in TSC-deadline mode.
    package var hasTSCDeadline: Bool
    /// The section `kvmclock` can be loaded.
    package var hasKVMClock: Bool
    /// KVM's hypercalls (VMCALL, VMMCALL) are answered.
    package var hasKVMHypercalls: Bool
    /// The most that the target can give to a guest; nil if that is not known.
    package var features: CPUFingerprint?

    /// Makes a target.
    package init(
        name: String, version: QEMUVersion, accelerator: Accelerator, machineTypes: Set<String>, hasX2APIC: Bool,
        hasTSCDeadline: Bool, hasKVMClock: Bool, hasKVMHypercalls: Bool, features: CPUFingerprint? = nil
    ) {
        self.name = name
        self.version = version
        self.accelerator = accelerator
        self.machineTypes = machineTypes
        self.hasX2APIC = hasX2APIC
        self.hasTSCDeadline = hasTSCDeadline
        self.hasKVMClock = hasKVMClock
        self.hasKVMHypercalls = hasKVMHypercalls
        self.features = features
    }

    /// The system TCG of a QEMU.
    ///
    /// - Parameters:
    ///   - version: the installed version.
    ///   - machineTypes: names from `query-machines` (or `-M help`), aliases left out.
    ///   - features: what the model `max` has, if QEMU was asked; else what is written down for this version.
    package static func tcg(
        version: QEMUVersion, machineTypes: some Sequence<String>, features: CPUFingerprint? = nil
    ) -> TargetProfile {
        TargetProfile(
            name: "qemu-tcg-\(version.major).\(version.minor)", version: version, accelerator: .tcg,
            machineTypes: Set(machineTypes), hasX2APIC: version >= QEMUVersion(9, 0), hasTSCDeadline: false,
            hasKVMClock: false, hasKVMHypercalls: false, features: features ?? recordedFeatures(ofTCG: version))
    }

    /// Reads the output of `qemu-system-x86_64 -M help`: the names of all machine types that are no aliases.
    package static func machineTypes(help: String) -> [String] {
        help.split(separator: "\n").dropFirst().compactMap { line in
            guard let name = line.split(separator: " ").first, !line.contains("(alias of ") else { return nil }
            return String(name)
        }
    }

    /// Whether the target can give a feature to a guest; nil if that is not known.
    package func provides(_ feature: String) -> Bool? { features?[feature] }
}
