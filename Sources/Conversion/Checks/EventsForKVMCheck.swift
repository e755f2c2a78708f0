import VMState

/// C43: what waits for a CPU, in the fields that KVM reads.
struct EventsForKVMCheck: SnapshotCheck {
    let id = "C43"
    let title = "Run state and events for KVM"
    var fix: String? { HandOverEvents.id }
    let explanation = """
        TCG keeps halted CPUs in cpu_common, CPUs that wait for their start in the APIC, NMIs in interrupt_request, and a \
        reason for leaving its loop in a subsection exception_index. KVM reads mp_state and nmi_pending. Interrupts of the \
        APIC need nothing: KVM finds them in the request register. An exception that TCG was about to deliver comes again, \
        because RIP still stands at its instruction.
        """

    /// What `mp_state` has to be for a CPU that TCG ran.
    static func runState(_ cpu: CPUSection, position: Int, _ stream: MigrationStream) throws(VMStateError) -> UInt32 {
        let apics = stream.devices(named: "apic")
        if position < apics.count, apics[position].contains("apic_sipi"),
            try apics[position].bytes("apic_sipi").suffix(4).contains(where: { $0 != 0 })
        {
            return RunStateOfCPUsCheck.uninitialised
        }
        guard let common = stream.device("cpu_common", cpu.index) else { return 0 }
        return try common.unsigned("halted") != 0 ? RunStateOfCPUsCheck.halted : 0
    }

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard context.target.accelerator == .kvm, context.origin == .tcg else { return [] }
        var evidence: [Finding.Evidence] = []
        for (position, cpu) in context.cpus.enumerated() {
            let wanted = try Self.runState(cpu, position: position, context.stream)
            if cpu.mpState != wanted {
                evidence.append(
                    Finding.Evidence(
                        section: cpu.section.name, field: "env.mp_state", value: "\(cpu.mpState), should be \(wanted)"))
            }
            guard let common = context.stream.device("cpu_common", cpu.index) else { continue }
            let request = try common.unsigned("interrupt_request")
            if request & LocalInterrupts.nmi != 0 {
                evidence.append(
                    Finding.Evidence(section: common.name, field: "interrupt_request", value: "\(hex(request)): NMI"))
            }
            if common.contains("cpu_common/exception_index") {
                evidence.append(
                    Finding.Evidence(section: common.name, field: "cpu_common/exception_index", value: "present"))
            }
        }
        guard !evidence.isEmpty else { return [] }
        return [
            finding(
                .fixable, "CPUs have state where KVM does not read it", evidence: evidence,
                effect: "CPUs that wait for their start would run from the reset vector; an NMI would be lost.",
                remedy: "Convert the snapshot: it is written where KVM reads it.")
        ]
    }
}
