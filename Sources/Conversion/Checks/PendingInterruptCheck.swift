import VMState

/// C24: an interrupt that the APIC has and the CPU is not told of.
struct PendingInterruptCheck: SnapshotCheck {
    let id = "C24"
    let title = "Interrupts that wait in the APIC"
    var fix: String? { RequestPoll.id }
    let explanation = """
        Under KVM the APIC is in the kernel, and QEMU's interrupt_request stays empty. TCG looks at interrupt_request alone, \
        and an APIC that is loaded does not raise it for what waits in its request register. The guest gets the interrupt with \
        the next one that arrives; a halted CPU that waits for just this one never wakes. The fix asks the CPU to look at its \
        APIC (CPU_INTERRUPT_POLL).
        """

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard context.target.accelerator == .tcg else { return [] }
        var evidence: [Finding.Evidence] = []
        for (position, cpu) in context.cpus.enumerated() {
            guard let local = try LocalInterrupts.ofCPU(position, in: context.stream), let vector = local.deliverable,
                let common = context.stream.device("cpu_common", cpu.index)
            else { continue }
            let request = try common.unsigned("interrupt_request")
            guard request & (LocalInterrupts.hard | LocalInterrupts.poll) == 0 else { continue }
            evidence.append(
                Finding.Evidence(
                    section: local.section.name, field: "irr",
                    value: "vector \(hex(vector)) waits, \(common.name) interrupt_request is \(hex(request))"))
        }
        guard !evidence.isEmpty else { return [] }
        return [
            finding(
                .fixable, "An interrupt waits in the APIC, and the CPU does not know", evidence: evidence,
                effect: "A halted CPU sleeps on until another interrupt comes; if none does, for ever.",
                remedy: "Convert the snapshot: the CPU is told to look.")
        ]
    }
}
