import VMState

/// What TCG's counters have to be for the guest's time stamp counters to go on.
struct TimeStampCounters: Sendable {
    /// Value for `timer.cpu_ticks_offset`: the machine's counter.
    let ticks: UInt64
    /// Value for `tsc_offset`, for each CPU.
    let offsets: [UInt64]

    /// From the counters that KVM saved.
    init(_ cpus: [CPUSection]) throws(VMStateError) {
        let first = cpus.first?.tsc ?? 0
        ticks = first
        var offsets: [UInt64] = []
        for cpu in cpus {
            let difference = cpu.tsc &- first
            let second = try Self.ticksPerSecond(cpu)
            // Read one after the other: less than a second is no difference (see the module's documentation).
            let isSkew = difference < second || 0 &- difference < second
            offsets.append(isSkew ? 0 : difference)
        }
        self.offsets = offsets
    }

    private static func ticksPerSecond(_ cpu: CPUSection) throws(VMStateError) -> UInt64 {
        guard cpu.hasSubsection("cpu/tsc_khz") else { return 1_000_000_000 }
        let kilohertz = try cpu.section.signed("cpu/tsc_khz.env.tsc_khz")
        return kilohertz > 0 && kilohertz < 100_000_000 ? UInt64(kilohertz) * 1000 : 1_000_000_000
    }
}
