import VMState

/// C22: who polls before a CPU halts.
struct PollControlCheck: SnapshotCheck {
    let id = "C22"
    let title = "Polling before HLT"
    let explanation = """
        A guest with cpuidle-haltpoll polls for work before HLT, and tells KVM by an MSR not to do so as well. TCG ignores the \
        MSR. The guest goes on as it is; it only burns translated cycles when idle.
        """

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        // TCG leaves the register at zero, which means nothing there.
        guard !context.target.hasKVMHypercalls, context.origin != .tcg else { return [] }
        var evidence: [Finding.Evidence] = []
        for cpu in context.cpus {
            guard let value = try cpu.first(of: "cpu/poll_control_msr"), value & 1 == 0 else { continue }
            evidence.append(
                Finding.Evidence(section: cpu.section.name, field: "cpu/poll_control_msr", value: hex(value)))
        }
        guard !evidence.isEmpty else { return [] }
        return [
            finding(
                .note, "The guest polls before it halts", evidence: evidence,
                effect: "An idle guest keeps the translator busy.",
                remedy: "Nothing to do; 'cpuidle_haltpoll.force=N' in the guest's command line avoids it.")
        ]
    }
}
