import CPUModel
import VMState

/// What is known of the CPU that the guest saw: the fingerprint if there is one, else the command line, else the registers.
struct CPUEvidence: Sendable {
    /// What is known of one feature.
    struct State: Sendable {
        let isOn: Bool
        let evidence: Finding.Evidence
    }

    private let context: CheckContext

    init(_ context: CheckContext) { self.context = context }

    /// Whether the guest's CPU had a feature, by QEMU's name; nil if that is not known.
    func state(of feature: String) -> State? {
        if let launch = context.launch, launch.isCPUKnown,
            let setting = ResumeCPU(launch.cpu).setting(feature), ["on", "off"].contains(setting)
        {
            return State(
                isOn: setting == "on",
                evidence: Finding.Evidence(section: "command line", field: "-cpu", value: launch.cpu))
        }
        return fromRegisters(feature)
    }

    /// Subsections and registers prove that something is there, hardly ever that it is not.
    private func fromRegisters(_ feature: String) -> State? {
        let subsections: [String: String] = [
            "xsaves": "cpu/xss", "amx-tile": "cpu/intel_amx_xtile", "avx512f": "cpu/avx512",
            "arch-capabilities": "cpu/msr_tsx_ctrl", "xfd": "cpu/msr_xfd", "arch-lbr": "cpu/arch_lbr",
            "sgx": "cpu/intel_sgx", "tsc-deadline": "cpu/msr_tscdeadline",
        ]
        if let name = subsections[feature], let cpu = context.cpus.first(where: { $0.hasSubsection(name) }) {
            return State(
                isOn: true, evidence: Finding.Evidence(section: cpu.section.name, field: name, value: "present"))
        }
        if let (bit, _, _) = RequiredFeatures.cr4Bits.first(where: { $0.feature == feature }),
            let cpu = context.cpus.first(where: { $0.cr4 >> bit & 1 != 0 })
        {
            return State(
                isOn: true,
                evidence: Finding.Evidence(section: cpu.section.name, field: "env.cr[4]", value: hex(cpu.cr4)))
        }
        return nil
    }
}

extension CheckContext {
    /// Offset of a component in the guest's XSAVE area, if its CPU's fingerprint tells.
    func stateOffset(component: UInt32) -> UInt64? { nil }
}
