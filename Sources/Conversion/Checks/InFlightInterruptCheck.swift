import VMState

/// C23: an interrupt on its way into the guest.
struct InFlightInterruptCheck: SnapshotCheck {
    let id = "C23"
    let title = "Interrupt on its way into the CPU"
    var fix: String? { ReturnInFlightInterrupt.id }
    let explanation = """
        KVM accepts an interrupt from the APIC, which marks it as in service, and injects it at the next entry into the guest. \
        A snapshot between the two has the vector in interrupt_injected. TCG does not read that field: the guest never gets \
        the interrupt, the APIC waits for its end, and everything of its priority and below is kept back. The fix gives the \
        vector back to the APIC as a request. A software interrupt is dropped, because RIP still stands at its instruction.
        """

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard context.target.accelerator == .tcg, context.origin != .tcg else { return [] }
        var fixable: [Finding.Evidence] = []
        var fatal: [Finding.Evidence] = []
        for (position, cpu) in context.cpus.enumerated() where cpu.interruptInjected >= 0 {
            let isSoft = try cpu.unsigned("env.soft_interrupt") != 0
            let evidence = Finding.Evidence(
                section: cpu.section.name, field: "env.interrupt_injected",
                value: "\(hex(cpu.interruptInjected))\(isSoft ? ", by an instruction" : "")")
            let served = try LocalInterrupts.ofCPU(position, in: context.stream)?.served ?? []
            if isSoft || served.contains(Int(cpu.interruptInjected)) {
                fixable.append(evidence)
            } else {
                fatal.append(evidence)
            }
        }
        var findings: [Finding] = []
        if !fatal.isEmpty {
            findings.append(
                finding(
                    .fatal, "An interrupt that is not the APIC's is on its way into the CPU", evidence: fatal,
                    effect: "It is lost, and the 8259 waits for its end: its interrupts do not come any more.",
                    remedy: "Take the snapshot again; a moment later is enough."))
        }
        if !fixable.isEmpty {
            findings.append(
                finding(
                    .fixable, "An interrupt is on its way into the CPU", evidence: fixable,
                    effect: "It is lost, and the APIC waits for its end: lower interrupts do not come any more.",
                    remedy: "Convert the snapshot: the APIC gets it back as a request."))
        }
        return findings
    }
}
