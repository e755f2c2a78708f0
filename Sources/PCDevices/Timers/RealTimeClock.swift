/// The real-time clock MC146818 with 128 bytes of battery-backed RAM.
///
/// Source: Motorola MC146818 data sheet. Ports 0x70 and 0x71 are offsets 0 and 1.
///
/// All times inside are of the clock that QEMU's device used, by default the host's. ``clockOffset`` leads there from the virtual
/// clock and is fixed when a snapshot is loaded, so that a run sees the same dates whenever it is done. As in QEMU, the
/// periodic flag is set only while its interrupt is enabled.
package struct RealTimeClock: Sendable, Hashable {
    /// Places in the RAM (data sheet, "Address Map").
    enum Register {
        static let seconds = 0
        static let secondsAlarm = 1
        static let minutes = 2
        static let minutesAlarm = 3
        static let hours = 4
        static let hoursAlarm = 5
        static let weekday = 6
        static let day = 7
        static let month = 8
        static let year = 9
        static let a = 10
        static let b = 11
        static let c = 12
        static let d = 13
        /// IBM's place of the century in AT and PS/2.
        static let century = 0x32
        static let centuryPS2 = 0x37
    }

    /// Bits of registers A, B and C.
    enum Bit {
        static let updateInProgress: UInt8 = 0x80
        static let set: UInt8 = 0x80
        static let periodic: UInt8 = 0x40
        static let alarm: UInt8 = 0x20
        static let updateEnded: UInt8 = 0x10
        static let binary: UInt8 = 0x04
        static let hours24: UInt8 = 0x02
        static let interrupt: UInt8 = 0x80
    }

    /// The oscillator, hertz.
    static let oscillator = ClockConversion(frequency: 32_768)
    static let second = ClockConversion.nanosecondsPerSecond
    /// UIP is set that long before an update (t BUC).
    static let updateNotice: UInt64 = 244_141

    var memory: [UInt8]
    var index: UInt8 = 0
    /// Port 0x70 bit 7.
    package internal(set) var isNonMaskableInterruptDisabled = false
    /// Date at `lastUpdate - offset`, seconds since 1970.
    var baseTime: Int64 = 0
    /// Clock at which the date was set, nanoseconds.
    var lastUpdate: UInt64 = 0
    /// Part of a second that had passed when it was set, nanoseconds.
    var offset: Int64 = 0
    /// Next periodic interrupt, and the last computed one (the section has both).
    var periodicExpiry: UInt64?
    var nextPeriodic: Int64 = 0
    /// Ticks of the oscillator from one periodic interrupt to the next; 0 without.
    var period: UInt32 = 0
    /// Next update that has to be noticed.
    var updateExpiry: UInt64?
    var nextAlarm: UInt64 = 0
    /// What is added to the virtual clock to have the device's clock, modulo 2^64.
    package internal(set) var clockOffset: UInt64 = 0

    init(memory: [UInt8]) { self.memory = memory }

    /// As after power-on at a date: BCD, 24 hours, no interrupts.
    package init(secondsSince1970: Int64, now: UInt64) {
        memory = Array(repeating: 0, count: 128)
        memory[Register.a] = 0x26
        memory[Register.b] = Bit.hours24
        memory[Register.d] = 0x80
        baseTime = secondsSince1970
        lastUpdate = now
        showTime(clock: now)
        schedule(clock: now)
    }
}

extension RealTimeClock {
    func has(_ bit: UInt8, in register: Int) -> Bool { memory[register] & bit != 0 }

    /// The dividers run and the date is not being set.
    var isRunning: Bool { !has(Bit.set, in: Register.b) && memory[Register.a] & 0x70 <= 0x20 }

    /// Interrupt request (IRQ 8): register C's IRQF.
    package var interruptLine: Bool { has(Bit.interrupt, in: Register.c) }

    /// Earliest interrupt that is not pending yet.
    package var deadline: UInt64? {
        guard !interruptLine else { return nil }
        var clock: UInt64?
        if let periodicExpiry { clock = periodicExpiry }
        let enabled = memory[Register.b] & ~memory[Register.c]
        if let updateExpiry, enabled & (Bit.updateEnded | Bit.alarm) != 0 {
            let next = enabled & Bit.updateEnded != 0 ? updateExpiry : max(updateExpiry, nextAlarm)
            clock = min(clock ?? .max, next)
        }
        guard let clock, clock != .max else { return nil }
        // A clock before the virtual clock's start can only come from a damaged section.
        return clock >= clockOffset || clockOffset > UInt64(Int64.max) ? clock &- clockOffset : 0
    }

    /// Lets happen what was due.
    package mutating func advance(to now: UInt64) {
        let clock = now &+ clockOffset
        if let expiry = periodicExpiry, expiry <= clock { passPeriod(clock: clock) }
        if let expiry = updateExpiry, expiry <= clock { passUpdate(clock: clock) }
    }

    private mutating func passPeriod(clock: UInt64) {
        schedulePeriodic(clock: clock)
        raise(Bit.periodic)
    }

    private mutating func passUpdate(clock: UInt64) {
        showTime(clock: clock)
        memory[Register.a] &= ~Bit.updateInProgress
        raise(clock >= nextAlarm ? Bit.updateEnded | Bit.alarm : Bit.updateEnded)
        schedule(clock: clock)
    }

    private mutating func raise(_ flags: UInt8) {
        memory[Register.c] |= flags
        if flags & memory[Register.b] != 0 { memory[Register.c] |= Bit.interrupt }
    }

    /// The periodic interrupt's rate: register A's bits 0-3, if register B enables it (data sheet table 5, 32.768 kHz).
    var periodTicks: UInt32 {
        guard has(Bit.periodic, in: Register.b) else { return 0 }
        let rate = UInt32(memory[Register.a] & 0x0F)
        return rate == 0 ? 0 : 1 << (rate <= 2 ? rate + 6 : rate - 1)
    }

    /// The next edge of the divider behind `clock`.
    mutating func schedulePeriodic(clock: UInt64) {
        period = periodTicks
        guard period != 0 else {
            periodicExpiry = nil
            return
        }
        let tick = (Self.oscillator.ticks(clock) / UInt64(period) + 1) &* UInt64(period)
        let time = Self.oscillator.nanoseconds(after: tick)
        periodicExpiry = time
        nextPeriodic = Int64(truncatingIfNeeded: time)
    }

    /// Computes the next update and the next alarm.
    ///
    /// An update whose flag is set already is skipped up to the alarm, and altogether if the alarm's is set too.
    mutating func schedule(clock: UInt64) {
        guard memory[Register.a] & 0x60 != 0x60 else {
            updateExpiry = nil
            return
        }
        let time = guestTime(clock: clock)
        let next = clock &+ Self.second &- time.nanoseconds
        let alarmDelay = secondsToAlarm(after: time.seconds)
        nextAlarm = alarmDelay.map { next &+ UInt64($0 - 1) &* Self.second } ?? .max
        updateExpiry = next
        if !has(Bit.updateInProgress, in: Register.a), has(Bit.updateEnded, in: Register.c) {
            let isSettled = has(Bit.set, in: Register.b) || has(Bit.alarm, in: Register.c)
            updateExpiry = isSettled || nextAlarm == .max ? nil : nextAlarm
        }
    }
}
