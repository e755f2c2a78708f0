import GuestInspection
import VMState

/// Moves Linux from kvm-clock, or from a time stamp counter of another rate, to a clock that the target drives
/// (see <doc:LinuxRepairs>).
struct NativeClockRepair: LinuxRepair {
    static let id = "linux-native-clock"

    /// The target's counter is the one that the guest measured, within so much.
    private static let tolerance = 0.02

    func repair(_ guest: inout LinuxGuest) throws -> [StreamChange] {
        guest.lookUp([
            "curr_clocksource", "clocksource_list", "clocksource_mutex", "watchdog_lock", "watchdog_reset_pending",
            "watchdog", "timekeeper_lock", "tk_core", "shadow_timekeeper", "tk_fast_mono", "tk_fast_raw", "_vdso_data",
            "tsc_khz", "cyc2ns", "__per_cpu_offset", "__use_tsc", "native_sched_clock", "kvm_sched_clock_read",
            "kvm_sched_clock_offset", "x86_platform", "kvm_get_wallclock", "mach_get_cmos_time",
            "kvm_save_sched_clock_state", "tsc_save_sched_clock_state", "kvm_restore_sched_clock_state",
            "tsc_restore_sched_clock_state", "__SCK__pv_sched_clock", "__SCT__pv_sched_clock",
        ])
        for lock in ["timekeeper_lock", "clocksource_mutex", "watchdog_lock"] {
            // The first word of both kinds of lock is 0 while nobody holds it.
            guard try guest.read(guest.symbol(lock), as: UInt32.self) == 0 else {
                throw FixRefusal("a CPU holds \(lock); save the guest once more")
            }
        }
        let rate = try rate(&guest)
        let isRightRate = rate.map { abs($0 - 1) <= Self.tolerance } ?? true
        let (current, all) = try guest.clockSources()
        guard current.name == "kvm-clock" || (current.name == "tsc" && !isRightRate) else {
            throw FixRefusal("the guest keeps time by \(current.name), which goes on by itself")
        }
        let wanted = (isRightRate ? ["tsc"] : []) + ["hpet", "acpi_pm"]
        guard let (target, count) = try choose(wanted, from: all, &guest) else {
            throw FixRefusal("the kernel has none of the clocks \(wanted.joined(separator: ", ")) that it trusts")
        }
        try guest.switchTime(from: current, at: guest.count(of: current), to: target, at: count)
        try select(target, instead: current, all, &guest)
        guard current.name == "kvm-clock" else { return [] }
        try guest.useNativeSchedulerClock(rate: isRightRate ? 1 : rate ?? 1)
        return try leaveKVM(&guest)
    }

    /// Counts of the target's counter for each that the guest expects; nil if that is not known.
    private func rate(_ guest: inout LinuxGuest) throws -> Double? {
        let kilohertz: UInt32 = try guest.read(guest.symbol("tsc_khz"))
        guard let target = guest.targetTicksPerSecond, kilohertz > 0 else { return nil }
        let rate = target / (Double(kilohertz) * 1000)
        return (0.001...1000).contains(rate) ? rate : nil
    }

    /// The first clock source that the kernel trusts and that the snapshot has, with what it counts.
    private func choose(
        _ names: [String], from all: [ClockSource], _ guest: inout LinuxGuest
    ) throws -> (ClockSource, UInt64)? {
        for name in names {
            guard let source = all.first(where: { $0.name == name && $0.isTrusted }) else { continue }
            do {
                return (source, try guest.count(of: source))
            } catch is FixRefusal {
                // The machine has no such device.
                continue
            }
        }
        return nil
    }

    /// Makes a clock source the kernel's choice, and keeps it from choosing the old one again.
    private func select(
        _ source: ClockSource, instead old: ClockSource, _ all: [ClockSource], _ guest: inout LinuxGuest
    ) throws {
        try guest.write(source.address, to: guest.symbol("curr_clocksource"), "curr_clocksource: \(source.name)")
        try guest.unlink(old)
        // The one that watches over others; a function has the same name.
        for symbol in guest.symbols("watchdog") where "bBdD".contains(symbol.kind) {
            guard try guest.read(symbol.address) == old.address else { continue }
            guard let other = all.first(where: { $0.address != old.address && !$0.mustBeVerified && $0.isTrusted })
            else { throw FixRefusal("no clock source can watch over others instead of \(old.name)") }
            try guest.write(other.address, to: symbol.address, "watchdog: \(other.name)")
            // What was remembered of the old one is not compared.
            try guest.write(UInt32(1), to: guest.symbol("watchdog_reset_pending"), "watchdog_reset_pending")
        }
    }

    /// Functions and registers of kvmclock that the guest would come back to when it suspends, or sets its time.
    private func leaveKVM(_ guest: inout LinuxGuest) throws -> [StreamChange] {
        let platform = try guest.symbol("x86_platform")
        let functions = [
            ("get_wallclock", "kvm_get_wallclock", "mach_get_cmos_time"),
            ("save_sched_clock_state", "kvm_save_sched_clock_state", "tsc_save_sched_clock_state"),
            ("restore_sched_clock_state", "kvm_restore_sched_clock_state", "tsc_restore_sched_clock_state"),
        ]
        for (member, old, new) in functions {
            let place = try platform &+ guest.field("x86_platform_ops", member, size: 8)
            guard try guest.read(place) == guest.symbol(old) else { continue }
            try guest.write(guest.symbol(new), to: place, "x86_platform.\(member): \(new)")
        }
        var changes: [StreamChange] = []
        for var cpu in guest.cpus {
            for (field, value) in [
                ("env.system_time_msr", cpu.systemTimeMSR), ("env.wall_clock_msr", cpu.wallClockMSR),
            ]
            where value != 0 {
                changes.append(
                    StreamChange(section: cpu.section.name, field: field, before: hex(value), after: hex(UInt64(0))))
            }
            cpu.systemTimeMSR = 0
            cpu.wallClockMSR = 0
            try guest.snapshot.stream.replace(cpu)
        }
        return changes
    }
}
