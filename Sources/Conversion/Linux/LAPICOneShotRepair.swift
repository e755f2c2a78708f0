import GuestInspection
import VMState

/// Takes Linux's LAPIC timer out of TSC-deadline mode: its clock event devices count down instead (see <doc:LinuxRepairs>).
struct LAPICOneShotRepair: LinuxRepair {
    static let id = "linux-lapic-oneshot"

    /// LAPIC timer of QEMU and KVM: nanoseconds, divided by 16 as Linux does.
    private static let divider: UInt64 = 16
    private static let minimumTicks: UInt64 = 0xf
    private static let maximumTicks: UInt64 = 0x7fff_ffff
    /// Without a deadline that lies ahead, the next interrupt comes after so many nanoseconds.
    private static let soon: UInt64 = 1_000_000
    /// `X86_FEATURE_TSC_DEADLINE_TIMER`: CPUID leaf 1, ECX, bit 24.
    private static let feature = (word: UInt64(4), bit: UInt32(24))

    func repair(_ guest: inout LinuxGuest) throws -> [StreamChange] {
        guest.lookUp([
            "lapic_events", "lapic_clockevent", "lapic_next_event", "lapic_next_deadline", "boot_cpu_data", "cpu_info",
            "__per_cpu_offset",
        ])
        let events = try guest.symbol("lapic_events")
        let template = try guest.symbol("lapic_clockevent")
        let nextEvent = try guest.symbol("lapic_next_event")
        let nextDeadline = try guest.symbol("lapic_next_deadline")
        let setNextEvent = try guest.field("clock_event_device", "set_next_event", size: 8)
        for (index, offset) in try guest.perCPUOffsets().enumerated() {
            let device = events &+ offset
            let current: UInt64 = try guest.read(device &+ setNextEvent)
            // A CPU that was never brought up has no device.
            if current == 0 || current == nextEvent { continue }
            guard current == nextDeadline else {
                throw FixRefusal("lapic_events of CPU \(index) does not use lapic_next_deadline")
            }
            let owner = "lapic_events of CPU \(index)"
            try configure(device, owner, &guest)
            try guest.write(nextEvent, to: device &+ setNextEvent, "\(owner): set_next_event")
            let name = try guest.field("clock_event_device", "name", size: 8)
            let text: UInt64 = try guest.read(template &+ name)
            try guest.write(text, to: device &+ name, "\(owner): name")
        }
        // What CPUs get that come up later.
        try configure(template, "lapic_clockevent", &guest)
        try guest.clearFeature(Self.feature, "TSC_DEADLINE_TIMER")
        return try rearm(&guest)
    }

    /// Rate and limits of a clock event device: `mult` and `shift` make ticks of nanoseconds.
    private func configure(_ device: UInt64, _ owner: String, _ guest: inout LinuxGuest) throws {
        let shift: UInt32 = 32
        let values: [(String, UInt64)] = [
            ("min_delta_ns", max(1000, Self.minimumTicks * Self.divider)),
            ("max_delta_ns", Self.maximumTicks * Self.divider),
            ("min_delta_ticks", Self.minimumTicks), ("max_delta_ticks", Self.maximumTicks),
        ]
        for (field, value) in values {
            let offset = try guest.field("clock_event_device", field, size: 8)
            try guest.write(value, to: device &+ offset, "\(owner): \(field)")
        }
        let mult = try guest.field("clock_event_device", "mult", size: 4)
        try guest.write(UInt32((1 << UInt64(shift)) / Self.divider), to: device &+ mult, "\(owner): mult")
        let shiftField = try guest.field("clock_event_device", "shift", size: 4)
        try guest.write(shift, to: device &+ shiftField, "\(owner): shift")
        // Not a periodic one, for the kernel does not know the rate (lapic_timer_period); and no dummy.
        let features = try guest.field("clock_event_device", "features", size: 4)
        let flags: UInt32 = try guest.read(device &+ features)
        try guest.write(flags & ~0x11 | 0x2, to: device &+ features, "\(owner): features")
    }

    /// Puts the LAPICs into one-shot mode with the time that is left until the deadline.
    private func rearm(_ guest: inout LinuxGuest) throws -> [StreamChange] {
        var changes: [StreamChange] = []
        let now = try guest.snapshot.stream.device("timer")?.unsigned("cpu_clock_offset") ?? 0
        for apic in guest.snapshot.stream.devices(named: "apic") {
            let entry = try apic.unsigned("lvt[0]")
            guard entry & 0x6_0000 == 0x4_0000 else { continue }
            let isMasked = entry >> 16 & 1 == 1
            let cpu = guest.cpus.first { $0.index == apic.instanceID }
            let count = try isMasked ? 0 : max(1, min(remaining(cpu) / Self.divider, Self.maximumTicks))
            let expiry = now &+ count * Self.divider
            let fields: [(String, UInt64)] = [
                ("lvt[0]", entry & ~0x6_0000), ("divide_conf", 3), ("count_shift", 4), ("initial_count", count),
                ("initial_count_load_time", now), ("next_time", expiry),
                ("timer_expiry", isMasked ? UInt64.max : expiry),
            ]
            for (field, value) in fields {
                try guest.set("apic", apic.instanceID, field, to: value, &changes)
            }
        }
        return changes
    }

    /// Nanoseconds until a CPU's deadline.
    private func remaining(_ cpu: CPUSection?) throws(VMStateError) -> UInt64 {
        guard let cpu, cpu.hasSubsection("cpu/msr_tscdeadline"), cpu.hasSubsection("cpu/tsc_khz") else {
            return Self.soon
        }
        let deadline = try cpu.unsigned("cpu/msr_tscdeadline.env.tsc_deadline")
        let rate = try cpu.section.signed("cpu/tsc_khz.env.tsc_khz")
        guard deadline > cpu.tsc, rate > 0 else { return Self.soon }
        let (product, overflow) = (deadline - cpu.tsc).multipliedReportingOverflow(by: 1_000_000)
        return overflow ? Self.soon : product / UInt64(rate)
    }
}
