import CPUModel

/// The targets that users name.
package enum TargetCatalogue {
    /// What is known without the machine's own QEMU.
    private static let recorded: [TargetProfile] = [
        .tcg(version: QEMUVersion(7, 2), machineTypes: machines(upTo: QEMUVersion(7, 2))),
        .tcg(version: QEMUVersion(10, 0), machineTypes: machines(upTo: QEMUVersion(10, 0))), s2e,
    ]

    /// All names. `qemu-tcg` is the installed QEMU's translator, `kvm` its KVM.
    package static let names = ["qemu-tcg"] + recorded.map(\.name) + ["kvm"]

    /// The profile of a name, or nil if there is none.
    ///
    /// - Parameter installed: the translator of this machine's QEMU, which knows more of itself than what is recorded.
    package static func profile(_ name: String, installed: TargetProfile) -> TargetProfile? {
        switch name {
        case "qemu-tcg", installed.name: installed
        case "kvm": kvm(installed)
        default: recorded.first { $0.name == name }
        }
    }

    /// KVM under the installed QEMU.
    package static func kvm(_ installed: TargetProfile) -> TargetProfile {
        var profile = installed
        profile.name = "kvm"
        profile.accelerator = .kvm
        profile.hasX2APIC = true
        profile.hasTSCDeadline = true
        profile.hasKVMClock = true
        profile.hasKVMHypercalls = true
        return profile
    }

    /// S2E's translator; which machine types there are depends on the QEMU that drives it.
    private static let s2e: TargetProfile = {
        var profile = TargetProfile.tcg(version: QEMUVersion(3, 0), machineTypes: [])
        profile.name = "s2e-libcpu"
        return profile
    }()

    /// The versioned PC types that a version knows, as far as anybody still uses them.
    private static func machines(upTo version: QEMUVersion) -> [String] {
        let versions = (4...12).map { QEMUVersion(2, $0) } + (3...10).flatMap { major in
            (0...2).map { QEMUVersion(major, $0) }
        }
        return versions.filter { $0 <= version && $0 != QEMUVersion(3, 2) }.flatMap {
            ["pc-i440fx-\($0.major).\($0.minor)", "pc-q35-\($0.major).\($0.minor)"]
        }
    }
}
