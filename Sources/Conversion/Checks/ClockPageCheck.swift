import VMState

/// C08: kvmclock, whose page nobody updates any more.
struct ClockPageCheck: SnapshotCheck {
    let id = "C08"
    let title = "kvmclock"
    var fix: String? { SettleClockPage.id }
    let explanation = """
        A guest with kvmclock reads time from a page that KVM fills: a counter value, the time at that counter, and a factor. \
        TCG never writes to that page. What it says stays true as long as the counter goes on without a jump (C06) and at the \
        same rate (C07). Two states of the page are deadly: an odd version means that KVM is writing, and readers wait for \
        ever; and a counter value ahead of the counter makes the difference wrap around. The fix writes a page in such a state \
        anew for the counter with which the snapshot goes on, so that readers see the same time as before; its factor, and \
        pages that are in order, stay as they are.
        """

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard !context.target.hasKVMClock else { return [] }
        let users = try ParavirtualArea.clock.evidence(context)
        guard !users.isEmpty else { return [] }
        guard context.memory != nil else {
            return [
                finding(
                    .warning, "The guest's clock pages could not be read", evidence: users,
                    effect: "If KVM was writing one of them, the guest would wait for ever.",
                    remedy: "Check the snapshot from the store, where its memory can be read.")
            ]
        }
        let counters = try GuestCounters(context)
        var evidence: [Finding.Evidence] = []
        for area in try SharedArea.all(.clock, in: context) {
            let index = context.cpus.firstIndex { $0.index == area.cpu.index } ?? 0
            if let problem = Self.problem(PublishedClock(area.bytes), counter: counters.values[index]) {
                evidence.append(area.evidence(problem))
            }
        }
        guard evidence.isEmpty else {
            return [
                finding(
                    .fixable, "The page of kvmclock cannot be read as it is", evidence: evidence,
                    effect: "The guest's clock stands still or jumps, or its CPUs wait for ever.",
                    remedy: "Convert the snapshot: the page is written for the counter with which the guest goes on.")
            ]
        }
        return [
            finding(
                .note, "The guest uses kvmclock", evidence: users,
                effect: "Its pages are not updated any more, and stay right as long as the counter goes on.",
                remedy: "Nothing to do.")
        ]
    }

    /// What is wrong with a page for a reader at a counter; nil if it is in order.
    static func problem(_ clock: PublishedClock, counter: UInt64) -> String? {
        if clock.version % 2 == 1 { return "version \(clock.version) is odd: KVM was writing" }
        // A page that KVM has not filled yet; the guest does not use it.
        if clock.version == 0, clock.timestamp == 0 { return nil }
        if Int64(bitPattern: counter &- clock.timestamp) < 0 {
            return "its counter \(hex(clock.timestamp)) is ahead of the guest's, \(hex(counter))"
        }
        return nil
    }
}
