import VMState

/// C07: the guest's counter has to run as fast as the guest measured it.
struct CounterRateCheck: SnapshotCheck {
    let id = "C07"
    let title = "Rate of the time stamp counter"
    var repair: String? { NativeClockRepair.id }
    let explanation = """
        A guest measures once how fast its time stamp counter runs, and believes that for ever. Under KVM the rate is that \
        of the host's CPU (or what tsc-frequency asked for; the section cpu has it in tsc_khz). TCG's counter runs as fast \
        as that of the machine that translates; with -icount it runs at 1 GHz. A guest that goes on at another rate has \
        clocks that are too fast or too slow by that factor. A Linux kernel can be moved to a clock that does not depend on \
        the counter (hpet, acpi_pm), if the policy allows repairs; the page of kvmclock keeps the factor of KVM's rate (the \
        fix of C08 moves its starting point only). Looked at where the stream has tsc_khz and this machine's rate is known.
        """

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard context.target.accelerator == .tcg, let target = context.targetTicksPerSecond else { return [] }
        var evidence: [Finding.Evidence] = []
        for cpu in context.cpus {
            let path = "cpu/tsc_khz.env.tsc_khz"
            guard cpu.hasSubsection("cpu/tsc_khz") else { continue }
            let kilohertz = try cpu.section.signed(path)
            guard kilohertz > 0 else { continue }
            let ratio = target / (Double(kilohertz) * 1000)
            guard ratio < 0.95 || ratio > 1.05 else { continue }
            let percent = Int((min(ratio, 1e6) * 100).rounded())
            evidence.append(
                Finding.Evidence(
                    section: cpu.section.name, field: path, value: "\(kilohertz) kHz; here \(percent) % of that"))
        }
        guard !evidence.isEmpty else { return [] }
        let source = context.clockSource()
        if let source, !["tsc", "kvm-clock"].contains(source.name) {
            return [
                finding(
                    .note, "The counter runs at another rate here, but the kernel keeps time by \(source.name)",
                    evidence: evidence + [source.evidence], effect: "Short delays are too long or too short.",
                    remedy: "Nothing to do.")
            ]
        }
        var finding = finding(
            .warning, "The counter runs at another rate here than where the guest measured it", evidence: evidence,
            effect: "The guest's clocks run too fast or too slow by that factor; timers come early or late.",
            remedy: "Resume on a machine of the same clock rate, or let the guest measure again by a reboot.")
        if source != nil { finding.fix = NativeClockRepair.id }
        return [finding]
    }
}
