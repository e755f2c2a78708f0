import VMState

/// C42: the counter that KVM loads.
struct CounterForKVMCheck: SnapshotCheck {
    let id = "C42"
    let title = "Time stamp counter for KVM"
    var fix: String? { HandOverCounters.id }
    let explanation = """
        On the way back, KVM sets each CPU's time stamp counter from cpu.tsc, which TCG leaves as it was loaded. TCG's own \
        counters are the machine's (cpu_ticks_offset) plus an offset for each CPU. The fix writes them to cpu.tsc; without it \
        the guest's clock jumps to where KVM left it, or to zero.
        """

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard context.target.accelerator == .kvm, context.origin == .tcg else { return [] }
        let counters = try GuestCounters(context)
        let evidence = zip(context.cpus, counters.values).filter { $0.0.tsc != $0.1 }.map { cpu, value in
            Finding.Evidence(
                section: cpu.section.name, field: "env.tsc",
                value: "\(hex(cpu.tsc)), the guest's counter stands at \(hex(value))")
        }
        guard !evidence.isEmpty else { return [] }
        return [
            finding(
                .fixable, "KVM would load another time stamp counter", evidence: evidence,
                effect: "The guest's clock jumps, or stands still until the counter has caught up.",
                remedy: "Convert the snapshot: KVM's counters are set to TCG's.")
        ]
    }
}
