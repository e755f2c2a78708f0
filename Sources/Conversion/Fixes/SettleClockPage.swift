import VMState

/// C08: writes the pages of kvmclock for the counters with which the guest goes on.
///
/// Readers see the same time as before; pages without a mistake are left alone.
struct SettleClockPage: SnapshotFix {
    static let id = "settle-clock-page"

    func apply(to snapshot: inout EditableSnapshot, context: CheckContext) throws -> [StreamChange] {
        let counters = try GuestCounters(context)
        for area in try SharedArea.all(.clock, in: context) {
            let index = context.cpus.firstIndex { $0.index == area.cpu.index } ?? 0
            let counter = counters.values[index]
            var clock = PublishedClock(area.bytes)
            guard ClockPageCheck.problem(clock, counter: counter) != nil else { continue }
            // Time does not go back: a page whose counter is ahead keeps its time.
            if Int64(bitPattern: counter &- clock.timestamp) > 0 { clock.systemTime = clock.nanoseconds(at: counter) }
            clock.timestamp = counter
            clock.version = (clock.version &+ 1) & ~1
            if clock.version == 0 { clock.version = 2 }
            try snapshot.memory.write(clock.bytes, at: area.address, subject: area.subject)
        }
        return []
    }
}
