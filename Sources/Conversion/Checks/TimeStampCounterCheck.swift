import VMState

/// C06: the time stamp counter has to go on where KVM stopped it.
struct TimeStampCounterCheck: SnapshotCheck {
    let id = "C06"
    let title = "Time stamp counter"
    let explanation = """
        KVM saves each CPU's time stamp counter in cpu.tsc. TCG does not read it: its counter is the machine's, \
        timer.cpu_ticks_offset, plus an offset for each CPU. Under KVM that field counts something else, so that the guest's \
        counter jumps. Linux stands still while a counter that went back catches up, which may take minutes or years; a jump \
        forwards is a jump of the clock.
        """
    var fix: String? { ContinueTimeStampCounter.id }

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard context.target.accelerator == .tcg, context.origin != .tcg else { return [] }
        guard let timer = context.stream.device("timer") else {
            return [
                finding(
                    .fatal, "The snapshot has no section timer",
                    evidence: [Finding.Evidence(section: "timer#0", value: "missing")],
                    effect: "The guest's time stamp counter would start at an arbitrary value.",
                    remedy: "\(context.captureAgain).")
            ]
        }
        let wanted = try TimeStampCounters(context.cpus)
        let ticks = try timer.unsigned("cpu_ticks_offset")
        var evidence: [Finding.Evidence] = []
        if ticks != wanted.ticks {
            evidence.append(
                Finding.Evidence(
                    section: timer.name, field: "cpu_ticks_offset",
                    value: "\(hex(ticks)), the guest's counter stands at \(hex(wanted.ticks))"))
        }
        for (cpu, offset) in zip(context.cpus, wanted.offsets) where cpu.tscOffset != offset {
            evidence.append(
                Finding.Evidence(
                    section: cpu.section.name, field: "env.tsc_offset",
                    value: "\(hex(cpu.tscOffset)), should be \(hex(offset))"))
        }
        guard !evidence.isEmpty else { return [] }
        let first = context.cpus.first?.tscOffset ?? 0
        let jump = Int64(bitPattern: ticks &+ first &- wanted.ticks)
        let way =
            jump < 0
            ? "backwards by \(jump.magnitude) cycles: Linux stands still until it has caught up"
            : "forwards by \(jump) cycles: time jumps"
        guard context.origin == .kvm else {
            return [
                finding(
                    .warning, "It is not known whether KVM or TCG wrote the time stamp counter", evidence: evidence,
                    effect: "If KVM ran the guest, its counter would jump \(way).",
                    remedy: "Say where the snapshot comes from when importing it; under KVM the counter can be fixed.")
            ]
        }
        return [
            finding(
                .fixable, "The guest's time stamp counter would jump", evidence: evidence,
                effect: "The counter would jump \(way).",
                remedy: "Convert the snapshot: TCG's counter is set to the guest's.")
        ]
    }
}
