import CPUModel
import GuestInspection
import VMState

/// What a snapshot proves about the CPU that its guest was booted on.
///
/// A stream carries no CPUID. But a control register holds only bits that the CPU has, and QEMU writes some subsections only
/// for CPUs with a feature. A Linux kernel remembers what it found when it booted. So this finds features that are surely there; it
/// never finds that one is missing.
package struct InferredFingerprint: Sendable {
    /// One conclusion.
    package struct Evidence: Sendable, Hashable {
        /// QEMU's name of the feature.
        package let feature: String
        /// Section and field with its value, for example `cpu#0 CR4.OSXSAVE`.
        package let place: String
    }

    package internal(set) var fingerprint: CPUFingerprint
    package private(set) var evidence: [Evidence] = []

    /// Looks at all CPUs of a snapshot.
    ///
    /// - Parameter kernel: the guest's kernel, if it was looked for and found.
    package init(_ stream: MigrationStream, kernel: LinuxKernel? = nil) throws(VMStateError) {
        fingerprint = CPUFingerprint(source: FingerprintSource(.snapshot))
        for cpu in try stream.cpus() { inspect(cpu) }
        for apic in stream.devices(named: "apic") {
            if let base = try? apic.unsigned("apicbase"), base & 1 << 10 != 0 {
                note(["x2apic"], apic.name + " apicbase bit 10")
            }
            if let timer = try? apic.unsigned("lvt[0]"), timer & 0x6_0000 == 0x4_0000 {
                note(["tsc-deadline"], apic.name + " timer in TSC-deadline mode")
            }
        }
        fingerprint.source.detail =
            "from "
            + evidence.map(\.place).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
            .joined(separator: ", ")
        if let kernel { inspect(kernel) }
    }

    /// Bits of CR4 with the features that they need (Intel SDM volume 3, 2.5).
    private static let controlBits: [(bit: UInt64, name: String, features: [String])] = [
        (0, "VME", ["vme"]), (2, "TSD", ["tsc"]), (3, "DE", ["de"]), (4, "PSE", ["pse"]), (5, "PAE", ["pae"]),
        (6, "MCE", ["mce"]), (7, "PGE", ["pge"]), (9, "OSFXSR", ["fxsr", "sse"]), (11, "UMIP", ["umip"]),
        (12, "LA57", ["la57"]), (13, "VMXE", ["vmx"]), (14, "SMXE", ["smx"]), (16, "FSGSBASE", ["fsgsbase"]),
        (17, "PCIDE", ["pcid"]), (18, "OSXSAVE", ["xsave"]), (20, "SMEP", ["smep"]), (21, "SMAP", ["smap"]),
        (22, "PKE", ["pku"]), (24, "PKS", ["pks"]), (28, "LAM_SUP", ["lam"]), (32, "FRED", ["fred"]),
    ]

    /// Bits of EFER (AMD APM volume 2, 3.1.7).
    private static let extendedBits: [(bit: UInt64, name: String, features: [String])] = [
        (0, "SCE", ["syscall"]), (8, "LME", ["lm"]), (10, "LMA", ["lm"]), (11, "NXE", ["nx"]), (12, "SVME", ["svm"]),
        (14, "FFXSR", ["fxsr-opt"]), (15, "TCE", ["tce"]), (21, "AIBRSE", ["auto-ibrs"]),
    ]

    /// Bits of XCR0 (Intel SDM volume 1, 13.3).
    private static let stateBits: [(bit: UInt64, name: String, features: [String])] = [
        (2, "AVX", ["avx", "xcr0-avx"]), (3, "BNDREGS", ["mpx", "xcr0-bndregs"]),
        (5, "opmask", ["avx512f", "xcr0-opmask"]),
        (6, "ZMM_Hi256", ["avx512f", "xcr0-zmm-hi256"]), (7, "Hi16_ZMM", ["avx512f", "xcr0-hi16-zmm"]),
        (9, "PKRU", ["pku", "xcr0-pkru"]), (17, "TILECFG", ["amx-tile", "xcr0-tilecfg"]),
        (18, "TILEDATA", ["amx-tile", "xcr0-tiledata"]),
    ]

    /// Subsections that QEMU writes only for CPUs with a feature, or when a register is not zero that comes with it. The one
    /// for KVM's poll control is not among them: TCG writes it too.
    private static let subsections: [(name: String, features: [String])] = [
        ("cpu/async_pf_msr", ["kvm-asyncpf"]), ("cpu/async_pf_int_msr", ["kvm-asyncpf-int"]),
        ("cpu/async_pv_eoi_msr", ["kvm-pv-eoi"]), ("cpu/steal_time_msr", ["kvm-steal-time"]),
        ("cpu/msr_tsc_adjust", ["tsc-adjust"]),
        ("cpu/msr_tscdeadline", ["tsc-deadline"]), ("cpu/mpx", ["mpx"]), ("cpu/avx512", ["avx512f"]),
        ("cpu/xss", ["xsaves"]), ("cpu/umwait", ["waitpkg"]), ("cpu/pkru", ["pku"]), ("cpu/pkrs", ["pks"]),
        ("cpu/spec_ctrl", []), ("cpu/intel_pt", ["intel-pt"]), ("cpu/virt_ssbd", ["virt-ssbd"]),
        ("cpu/amd_tsc_scale_msr", ["tsc-scale", "svm"]), ("cpu/svm_guest", ["svm"]), ("cpu/svn_npt", ["npt", "svm"]),
        ("cpu/msr_tsx_ctrl", ["arch-capabilities", "tsx-ctrl"]), ("cpu/intel_sgx", ["sgxlc"]),
        ("cpu/msr_xfd", ["xsave", "xfd"]), ("cpu/fred", ["fred"]), ("cpu/intel_amx_xtile", ["amx-tile"]),
        ("cpu/arch_lbr", ["arch-lbr"]),
    ]

    private mutating func inspect(_ cpu: CPUSection) {
        let name = cpu.section.name
        for (bit, label, features) in Self.controlBits where cpu.cr4 >> bit & 1 == 1 {
            note(features, "\(name) CR4.\(label)")
        }
        for (bit, label, features) in Self.extendedBits where cpu.efer >> bit & 1 == 1 {
            note(features, "\(name) EFER.\(label)")
        }
        for (bit, label, features) in Self.stateBits where cpu.xcr0 >> bit & 1 == 1 {
            note(features, "\(name) XCR0.\(label)")
        }
        for (subsection, features) in Self.subsections where cpu.hasSubsection(subsection) {
            note(features, "\(name) \(subsection)")
        }
        if cpu.systemTimeMSR & 1 == 1 { note(["kvmclock-2"], "\(name) system_time_msr bit 0") }
    }

    private mutating func note(_ names: [String], _ place: String) {
        for name in names {
            guard let feature = FeatureTable.standard.features(named: name).first(where: { $0.name == name }) else {
                continue
            }
            note(feature.bit, place)
        }
    }

    /// Notes that a bit is set, whether it has a name or not.
    mutating func note(_ bit: FeatureBit, _ place: String) {
        fingerprint.set(bit, to: true)
        guard let feature = FeatureTable.standard[bit] else { return }
        let entry = Evidence(feature: feature.name, place: place)
        if !evidence.contains(entry) { evidence.append(entry) }
    }
}
