import CPUModel

extension TargetProfile {
    /// Name of the target that is this machine's KVM.
    package static let kvmName = "kvm"

    /// KVM under an installed QEMU, for the way back.
    ///
    /// - Parameter installed: the translator of the same QEMU, for its version and machine types.
    package static func kvm(_ installed: TargetProfile) -> TargetProfile {
        var profile = installed
        profile.name = kvmName
        profile.accelerator = .kvm
        profile.hasX2APIC = true
        profile.hasTSCDeadline = true
        profile.hasKVMClock = true
        profile.hasKVMHypercalls = true
        // What KVM provides depends on a host that is not known here.
        profile.features = nil
        return profile
    }
}
