import VMState

/// C18: threads that wait for KVM to bring in a page.
struct AsyncPageFaultCheck: SnapshotCheck {
    let id = "C18"
    let title = "Asynchronous page faults"
    var fix: String? { WakePageFaultSleepers.id }
    let explanation = """
        When a page of the guest's memory is swapped out on the host, KVM tells the guest, which puts the thread to sleep; \
        KVM wakes it by a token in a shared area and an interrupt. A snapshot has the sleeping thread, but no longer anybody \
        who will wake it. A token of all ones means "wake all", which is what KVM itself does after a migration. The fix \
        writes that token and requests the interrupt on every CPU; without sleepers it does nothing.
        """

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard !context.target.hasKVMHypercalls, context.origin != .tcg else { return [] }
        let users = try ParavirtualArea.asyncPageFaults.evidence(context)
        guard !users.isEmpty else { return [] }
        let effect = "A thread that sleeps because of a page that the host swapped out sleeps for ever."
        guard context.memory != nil else {
            return [
                finding(
                    .warning, "The guest uses asynchronous page faults, and its memory cannot be read", evidence: users,
                    effect: effect, remedy: "Check the snapshot from the store, where its memory can be read.")
            ]
        }
        var open: [Finding.Evidence] = []
        for area in try SharedArea.all(.asyncPageFaults, in: context) {
            guard try WakePageFaultSleepers.vector(of: area.cpu) != nil else {
                return [
                    finding(
                        .warning, "The guest uses asynchronous page faults without an interrupt (Linux before 5.8)",
                        evidence: users, effect: effect, remedy: "\(context.captureAgain) ('-kvm-asyncpf').")
                ]
            }
            if !(try WakePageFaultSleepers.isDone(area, in: context)) {
                open.append(area.evidence("token \(hex(area.bytes.littleEndian(4, as: UInt32.self)))"))
            }
        }
        guard !open.isEmpty else { return [] }
        return [
            finding(
                .fixable, "Threads may wait for a page that KVM would bring in", evidence: open, effect: effect,
                remedy: "Convert the snapshot: every CPU is told to wake all that wait.")
        ]
    }
}
