import CPUModel
import VMState

/// CPU features that the guest has switched on in its control registers: without them in `-cpu` the target would not let it.
struct RequiredFeatures: Sendable {
    /// A feature with the bit that asks for it.
    struct Need: Sendable {
        /// QEMU's name.
        let feature: String
        let evidence: Finding.Evidence
    }

    /// Of all CPUs, each feature once.
    let needs: [Need]

    /// QEMU's names.
    var names: [String] { needs.map(\.feature) }

    /// CR4 bits with names and the features that allow them (Intel SDM, volume 3, 2.5).
    static let cr4Bits: [(bit: UInt64, name: String, feature: String?)] = [
        (11, "UMIP", "umip"), (12, "LA57", "la57"), (13, "VMXE", "vmx"), (14, "SMXE", "smx"),
        (16, "FSGSBASE", "fsgsbase"), (17, "PCIDE", "pcid"), (18, "OSXSAVE", "xsave"), (20, "SMEP", "smep"),
        (21, "SMAP", "smap"), (22, "PKE", "pku"), (23, "CET", nil), (24, "PKS", "pks"), (25, "UINTR", nil),
        (27, "LASS", nil), (28, "LAM_SUP", nil), (32, "FRED", nil),
    ]
    /// EFER bits (Intel SDM, volume 4, C0000080; AMD APM, volume 2, 3.1.7).
    static let eferBits: [(bit: UInt64, name: String, feature: String?)] = [
        (0, "SCE", "syscall"), (8, "LME", "lm"), (10, "LMA", "lm"), (11, "NXE", "nx"), (12, "SVME", "svm"),
        (13, "LMSLE", nil), (14, "FFXSR", nil), (15, "TCE", nil), (20, "UAIE", nil), (21, "AIBRSE", nil),
    ]
    /// XCR0 components (Intel SDM, volume 1, 13.1).
    static let xcr0Bits: [(bit: UInt64, name: String, feature: String?)] = [
        (2, "AVX", "avx"), (3, "BNDREGS", "mpx"), (4, "BNDCSR", "mpx"), (5, "opmask", "avx512f"),
        (6, "ZMM_Hi256", "avx512f"), (7, "Hi16_ZMM", "avx512f"), (9, "PKRU", "pku"), (17, "XTILECFG", "amx-tile"),
        (18, "XTILEDATA", "amx-tile"),
    ]

    init(_ context: CheckContext) {
        let limits = TargetLimits(context.target)
        var needs: [Need] = []
        func add(_ cpu: CPUSection, _ field: String, _ value: UInt64, _ bits: [(UInt64, String, String?)]) {
            for (bit, name, feature) in bits where value >> bit & 1 != 0 {
                guard let feature, !needs.contains(where: { $0.feature == feature }) else { continue }
                needs.append(
                    Need(
                        feature: feature,
                        evidence: Finding.Evidence(
                            section: cpu.section.name, field: field, value: "\(hex(value)): \(name)")))
            }
        }
        for cpu in context.cpus {
            add(cpu, "env.cr[4]", cpu.cr4 & limits.cr4, Self.cr4Bits.map { ($0.bit, $0.name, $0.feature) })
            add(cpu, "env.efer", cpu.efer & limits.efer, Self.eferBits.map { ($0.bit, $0.name, $0.feature) })
            // Without OSXSAVE the reset value of XCR0 means nothing.
            if cpu.cr4 >> 18 & 1 != 0 {
                add(cpu, "env.xcr0", cpu.xcr0 & limits.xcr0, Self.xcr0Bits.map { ($0.bit, $0.name, $0.feature) })
            }
        }
        if context.target.hasX2APIC {
            for apic in context.stream.devices(named: "apic") {
                guard let base = try? apic.unsigned("apicbase"), base >> 10 & 1 != 0 else { continue }
                needs.append(
                    Need(
                        feature: "x2apic",
                        evidence: Finding.Evidence(
                            section: apic.name, field: "apicbase", value: "\(hex(base)): x2APIC")))
                break
            }
        }
        self.needs = needs
    }

    /// Names of the bits of a value, for messages; bits without a name by their number.
    static func names(_ value: UInt64, _ table: [(bit: UInt64, name: String, feature: String?)]) -> String {
        (0..<64).filter { value >> $0 & 1 != 0 }.map { bit in
            table.first { $0.bit == bit }?.name ?? "bit \(bit)"
        }.joined(separator: ", ")
    }
}
