import VMState

/// C09: a LAPIC timer in TSC-deadline mode never fires where that mode is not implemented.
struct DeadlineTimerCheck: SnapshotCheck {
    let id = "C09"
    let title = "LAPIC timer mode"
    let explanation = """
        Where the CPU offers it, Linux runs the local APIC's timer in TSC-deadline mode: it writes the counter value of the \
        next interrupt to MSR 0x6e0. TCG, up to QEMU 10.0 at least, ignores that MSR. The interrupt never comes; a guest that \
        is idle hangs in HLT, one that is busy never switches tasks. Changing the mode in the APIC's section does not help, \
        because the kernel's driver goes on writing deadlines; the repair for Linux, where the policy allows it, changes the \
        driver in memory as well.
        """
    var repair: String? { LAPICOneShotRepair.id }

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard !context.target.hasTSCDeadline else { return [] }
        var evidence: [Finding.Evidence] = []
        for apic in context.stream.devices(named: "apic") {
            // Entry 0 of the local vector table is the timer; its mode is in bits 17 and 18.
            let timer = try apic.unsigned("lvt[0]")
            guard timer & 0x6_0000 == 0x4_0000 else { continue }
            evidence.append(
                Finding.Evidence(section: apic.name, field: "lvt[0]", value: "\(hex(timer)): TSC-deadline"))
        }
        guard !evidence.isEmpty else { return [] }
        for cpu in context.cpus where cpu.hasSubsection("cpu/msr_tscdeadline") {
            let path = "cpu/msr_tscdeadline.env.tsc_deadline"
            evidence.append(
                Finding.Evidence(
                    section: cpu.section.name, field: path,
                    value: cpu.section.contains(path) ? hex(try cpu.unsigned(path)) : "present"))
        }
        return [
            finding(
                .fatal, "The guest uses the LAPIC timer in TSC-deadline mode", evidence: evidence,
                effect: "The target ignores deadlines: no timer interrupt comes any more, and the guest hangs in HLT.",
                remedy: "\(context.captureAgain) ('-tsc-deadline' is what matters).")
        ]
    }
}
