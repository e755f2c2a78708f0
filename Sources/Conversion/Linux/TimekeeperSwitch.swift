import GuestInspection
import VMState

// The kernel's time: `struct timekeeper` holds it at a count of the clock source (`cycle_last`) in nanoseconds shifted left
// (`xtime_nsec`), for the steered clock (`tkr_mono`) and the raw one (`tkr_raw`). Source: Linux, kernel/time/timekeeping.c.
extension LinuxGuest {
    /// The longest time since the kernel last looked at its clock that is believed; several CPUs look every few seconds.
    private static let longestDelay: UInt64 = 300_000_000_000
    /// `NTP_SCALE_SHIFT`.
    private static let steeringShift: UInt32 = 32

    /// Goes on with another clock source at the time that the old one tells now.
    mutating func switchTime(
        from old: ClockSource, at oldCount: UInt64, to new: ClockSource, at newCount: UInt64
    ) throws {
        // A sequence counter of four bytes stands before the timekeeper, which needs eight.
        let core = try symbol("tk_core")
        let timekeeper = core &+ 8
        let shadow = try symbol("shadow_timekeeper")
        let size = try size("timekeeper")
        let parts = try ["tkr_mono", "tkr_raw"].map {
            try field("timekeeper", $0, size: Int(self.size("tk_read_base")))
        }
        let clock = try field("tk_read_base", "clock", size: 8)
        for copy in [timekeeper, shadow] {
            for part in parts where try read(copy &+ part &+ clock) != old.address {
                throw FixRefusal("the kernel's timekeeper does not use \(old.name), or has another form")
            }
        }
        // The length of a tick in nanoseconds, which the timekeeper has in units of the old clock.
        func place(_ member: String, _ size: Int = 8) throws -> UInt64 {
            try timekeeper &+ field("timekeeper", member, size: size)
        }
        let interval: UInt64 = try read(place("xtime_interval"))
        let remainder: UInt64 = try read(place("xtime_remainder"))
        let tick = (interval &+ remainder) >> UInt64(old.shift)
        guard (500_000...20_000_000).contains(tick), tick << UInt64(old.shift) == interval &+ remainder else {
            throw FixRefusal("the length of the kernel's tick makes no sense")
        }
        for (part, name) in zip(parts, ["tkr_mono", "tkr_raw"]) {
            try set(timekeeper &+ part, "timekeeper.\(name)", from: old, at: oldCount, to: new, at: newCount)
        }
        let shifted = tick << UInt64(new.shift)
        let cycles = max(1, (shifted + UInt64(new.mult) / 2) / UInt64(new.mult))
        let values: [(String, UInt64)] = [
            ("cycle_interval", cycles), ("xtime_interval", cycles * UInt64(new.mult)),
            ("xtime_remainder", shifted &- cycles * UInt64(new.mult)), ("raw_interval", cycles * UInt64(new.mult)),
            ("ntp_tick", tick << UInt64(Self.steeringShift)), ("ntp_error", 0),
        ]
        for (member, value) in values { try write(value, to: place(member), "timekeeper.\(member)") }
        let words: [(String, UInt32)] = [
            ("ntp_error_shift", Self.steeringShift - new.shift), ("ntp_err_mult", 0), ("skip_second_overflow", 0),
        ]
        for (member, value) in words { try write(value, to: place(member, 4), "timekeeper.\(member)") }
        let generation: UInt8 = try read(place("cs_was_changed_seq", 1))
        try write(generation &+ 1, to: place("cs_was_changed_seq", 1), "timekeeper.cs_was_changed_seq")
        // The kernel works on a copy and compares nothing.
        try write(bytes(timekeeper, Int(size)), to: shadow, "shadow_timekeeper")
        try advance(core, "tk_core.seq")
        for (name, part) in [("tk_fast_mono", parts[0]), ("tk_fast_raw", parts[1])] {
            try setFast(symbol(name), name, from: old, to: bytes(timekeeper &+ part, Int(self.size("tk_read_base"))))
        }
        try closeUserClock(old)
    }

    /// One `struct tk_read_base`.
    private mutating func set(
        _ base: UInt64, _ owner: String, from old: ClockSource, at oldCount: UInt64, to new: ClockSource,
        at newCount: UInt64
    ) throws {
        func place(_ member: String, _ size: Int) throws -> UInt64 {
            try base &+ field("tk_read_base", member, size: size)
        }
        guard try read(place("shift", 4)) == old.shift, try read(place("mask", 8)) == old.mask else {
            throw FixRefusal("\(owner) has another unit than the clock source \(old.name)")
        }
        let last: UInt64 = try read(place("cycle_last", 8))
        let mult: UInt32 = try read(place("mult", 4))
        let nanoseconds: UInt64 = try read(place("xtime_nsec", 8))
        var passed = (oldCount &- last) & old.mask
        // Another CPU's counter may be a little ahead of this one.
        if passed > old.mask / 2 { passed = 0 }
        let product = passed.multipliedFullWidth(by: UInt64(mult))
        let (sum, overflow) = product.low.addingReportingOverflow(nanoseconds)
        guard product.high == 0, !overflow, sum >> UInt64(old.shift) < Self.longestDelay else {
            throw FixRefusal("the kernel has not looked at its clock for minutes, or \(old.name) makes no sense")
        }
        let scaled =
            new.shift >= old.shift ? sum << UInt64(new.shift - old.shift) : sum >> UInt64(old.shift - new.shift)
        guard scaled >> UInt64(new.shift) == sum >> UInt64(old.shift) else {
            throw FixRefusal("the time since the kernel looked at its clock is too long for \(new.name)")
        }
        try write(new.address, to: place("clock", 8), "\(owner).clock: \(new.name)")
        try write(new.mask, to: place("mask", 8), "\(owner).mask")
        try write(newCount, to: place("cycle_last", 8), "\(owner).cycle_last")
        try write(new.mult, to: place("mult", 4), "\(owner).mult")
        try write(new.shift, to: place("shift", 4), "\(owner).shift")
        try write(scaled, to: place("xtime_nsec", 8), "\(owner).xtime_nsec")
    }

    /// The copies for readers that may not wait: `struct tk_fast`.
    private mutating func setFast(_ fast: UInt64, _ name: String, from old: ClockSource, to base: [UInt8]) throws {
        let copies = try fast &+ field("tk_fast", "base", size: 2 * base.count)
        let clock = try field("tk_read_base", "clock", size: 8)
        for copy in [copies, copies &+ UInt64(base.count)] {
            guard try read(copy &+ clock) == old.address else {
                throw FixRefusal("\(name) does not use \(old.name)")
            }
            try write(base, to: copy, name)
        }
        // Both copies are the same: a reader of either begins anew.
        let seq: UInt32 = try read(fast)
        try write(seq &+ 2, to: fast, "\(name).seq")
    }

    /// User code asks the kernel for the time until the kernel has written the new clock, which it does with the next tick.
    private mutating func closeUserClock(_ old: ClockSource) throws {
        let data = try symbol("_vdso_data")
        let stride = try size("vdso_data")
        let mode = try field("vdso_data", "clock_mode", size: 4)
        let seq = try field("vdso_data", "seq", size: 4)
        for (index, name) in ["vdso_data", "vdso_data (raw)"].enumerated() {
            let copy = data &+ stride * UInt64(index)
            guard try read(copy &+ mode) == old.mode else {
                throw FixRefusal("user code does not read the time by \(old.name)")
            }
            try write(UInt32(0), to: copy &+ mode, "\(name).clock_mode: none")
            try advance(copy &+ seq, "\(name).seq")
        }
    }

    /// Readers that are in the middle begin anew.
    private mutating func advance(_ place: UInt64, _ name: String) throws {
        let value: UInt32 = try read(place)
        guard value % 2 == 0 else { throw FixRefusal("a CPU is writing the time (\(name)); save the guest once more") }
        try write(value &+ 2, to: place, name)
    }
}
