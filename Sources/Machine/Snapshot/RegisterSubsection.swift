import VMState
import X86

/// A register of a processor that QEMU keeps in a subsection of `cpu` of its own, and leaves out while it has its usual value
/// (QEMU's `target/i386/machine.c`).
struct RegisterSubsection: Sendable {
    let name: String
    let field: String
    let msr: UInt32
    var usual: UInt64 = 0
    /// QEMU's type of the field: `uint64` or `uint32`.
    var type = "uint64"

    /// The ones whose registers the engine keeps. PKRU is no MSR; the TSC deadline is the local APIC's.
    static let list: [RegisterSubsection] = [
        RegisterSubsection(
            name: "cpu/async_pf_msr", field: "env.async_pf_en_msr", msr: ParavirtualMSR.asynchronousFaults),
        RegisterSubsection(
            name: "cpu/async_pf_int_msr", field: "env.async_pf_int_msr", msr: ParavirtualMSR.asynchronousFaultVector),
        RegisterSubsection(
            name: "cpu/async_pv_eoi_msr", field: "env.pv_eoi_en_msr", msr: ParavirtualMSR.endOfInterrupt),
        RegisterSubsection(
            name: "cpu/steal_time_msr", field: "env.steal_time_msr", msr: ParavirtualMSR.stealTime),
        RegisterSubsection(
            name: "cpu/poll_control_msr", field: "env.poll_control_msr", msr: ParavirtualMSR.pollControl, usual: 1),
        RegisterSubsection(name: "cpu/msr_tsc_adjust", field: "env.tsc_adjust", msr: MSR.timeStampAdjust),
        RegisterSubsection(
            name: "cpu/msr_ia32_misc_enable", field: "env.msr_ia32_misc_enable", msr: MSR.miscEnable, usual: 1),
        RegisterSubsection(
            name: "cpu/msr_ia32_feature_control", field: "env.msr_ia32_feature_control", msr: MSR.featureControl),
        RegisterSubsection(name: "cpu/xss", field: "env.xss", msr: 0xDA0),
        RegisterSubsection(name: "cpu/umwait", field: "env.umwait", msr: 0xE1, type: "uint32"),
        RegisterSubsection(name: "cpu/spec_ctrl", field: "env.spec_ctrl", msr: 0x48),
    ]

    var path: String { "\(name).\(field)" }

    /// The register's value in a state; nil when the guest has never written it.
    func value(_ state: ProcessorState) -> UInt64? {
        switch msr {
        case MSR.timeStampAdjust: state.timeStampAdjust
        case MSR.miscEnable: state.miscEnable
        default: state.otherMSRs[msr]
        }
    }

    func set(_ value: UInt64, in state: inout ProcessorState) {
        switch msr {
        case MSR.timeStampAdjust: state.timeStampAdjust = value
        case MSR.miscEnable: state.miscEnable = value
        default: state.otherMSRs[msr] = value
        }
    }

    /// The subsection's only field. A value that does not fit is cut.
    func field(_ value: UInt64) -> SubsectionField {
        type == "uint32"
            ? .integer(field, type, UInt32(truncatingIfNeeded: value)) : .integer(field, type, value)
    }
}

extension CPUSection {
    /// Reads the registers that have subsections. A missing one has its usual value.
    func loadRegisters(_ state: inout ProcessorState) {
        for register in RegisterSubsection.list {
            guard hasSubsection(register.name), let value = try? unsigned(register.path) else { continue }
            register.set(value, in: &state)
        }
    }

    /// Overwrites the registers whose subsections are there.
    mutating func storeRegisters(_ state: ProcessorState) throws(VMStateError) {
        for register in RegisterSubsection.list where hasSubsection(register.name) {
            guard let value = register.value(state) else { continue }
            try set(register.path, to: register.type == "uint32" ? value & 0xFFFF_FFFF : value)
        }
    }
}

extension MigrationStream {
    /// Adds to a processor's section what QEMU keeps in subsections and leaves out while it has its usual value.
    mutating func addSubsections(
        _ state: ProcessorState, deadline: UInt64, ofProcessor index: UInt32
    ) throws(VMStateError) {
        try addSubsection(
            CPUSection.protectionKeysSubsection, state.protectionKeys != 0,
            .integer(CPUSection.protectionKeysField, "uint32", state.protectionKeys), index)
        try addSubsection("cpu/msr_tscdeadline", deadline != 0, .integer("env.tsc_deadline", "uint64", deadline), index)
        for register in RegisterSubsection.list {
            guard let value = register.value(state) else { continue }
            try addSubsection(register.name, value != register.usual, register.field(value), index)
        }
    }

    private mutating func addSubsection(
        _ name: String, _ isNeeded: Bool, _ field: SubsectionField, _ index: UInt32
    ) throws(VMStateError) {
        guard isNeeded, device("cpu", index)?.contains(name) == false else { return }
        try appendSubsection(name, fields: [field], to: "cpu", index)
    }
}
