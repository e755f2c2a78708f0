/// The high precision event timer as QEMU has it: a counter of 100 MHz and 64 bits, comparators with 64 bits, periodic mode,
/// legacy replacement, level, edge and message-signalled interrupts.
///
/// Source: IA-PC HPET Specification 1.0a. Registers are offsets from 0xFED0_0000. Comparators that are beyond the reach of the virtual clock
/// never match. As in QEMU, a written counter above 2^60 does not keep its highest bits, and a comparator of 32 bits
/// matches once and, if the counter wraps before that, at the wrap too.
package struct HPET: Sendable, Hashable {
    /// Nanoseconds of a tick of the main counter.
    package static let period: UInt64 = 10
    /// Bytes of registers.
    package static let byteCount: UInt64 = 0x400
    /// What QEMU's machines have, and the most that the registers have room for.
    static let timerCounts = 3...24

    /// General configuration: ENABLE_CNF (bit 0), LEG_RT_CNF (bit 1).
    var configuration: UInt64 = 0
    /// General interrupt status: a bit for each timer with a pending level-triggered interrupt.
    var status: UInt64 = 0
    /// The main counter while it is halted.
    var haltedCounter: UInt64 = 0
    /// What is added to the virtual clock (nanoseconds, modulo 2^64) to have the counter's time.
    var offset: UInt64 = 0
    var timers: [Comparator]
    /// The RTC's line, which goes through the HPET in QEMU; kept for the section.
    package var realTimeClockLine = false
    /// Lines with an edge that nobody has taken.
    private var pulses: UInt32 = 0
    private var messages: [InterruptMessage] = []

    /// As after power-on.
    ///
    /// - Parameters:
    ///   - routes: interrupt inputs that each timer can be routed to (`hpet-intcap`: 0x4 on pc, 0xFF0104 on q35).
    ///   - hasMessages: timers can send message-signalled interrupts.
    package init(timerCount: Int = 3, routes: UInt32 = 0x4, hasMessages: Bool = false) {
        let count = min(max(timerCount, Self.timerCounts.lowerBound), Self.timerCounts.upperBound)
        var timer = Comparator()
        timer.configuration =
            UInt64(routes) << 32 | Comparator.canBePeriodic | Comparator.is64Bit
            | (hasMessages ? Comparator.canSendMessages : 0)
        timers = Array(repeating: timer, count: count)
    }

    init(timers: [Comparator]) { self.timers = timers }
}

extension HPET {
    /// One timer.
    struct Comparator: Sendable, Hashable {
        /// Configuration and capabilities (specification 2.3.8).
        var configuration: UInt64 = 0
        var comparator: UInt64 = .max
        /// FSB interrupt route: value (low half) and address (high half).
        var messageRoute: UInt64 = 0
        /// What a periodic timer adds to its comparator.
        var period: UInt64 = 0
        /// The next expiry is the wrap of the counter, the match comes after it.
        var expiresAtWrap = false
        /// Virtual time of the next expiry.
        var expiry: UInt64?

        static let isLevel: UInt64 = 1 << 1
        static let isEnabled: UInt64 = 1 << 2
        static let isPeriodic: UInt64 = 1 << 3
        static let canBePeriodic: UInt64 = 1 << 4
        static let is64Bit: UInt64 = 1 << 5
        /// A periodic timer's comparator takes the next write.
        static let setsValue: UInt64 = 1 << 6
        static let is32BitMode: UInt64 = 1 << 8
        static let usesMessages: UInt64 = 1 << 14
        static let canSendMessages: UInt64 = 1 << 15
        /// Bits that software can write: 1-3, 6, 8, 9-13 (route), 14.
        static let writable: UInt64 = 0x7F4E

        func has(_ bit: UInt64) -> Bool { configuration & bit != 0 }

        /// Interrupt input outside of the legacy replacement.
        var route: UInt32 { UInt32(truncatingIfNeeded: configuration >> 9) & 0x1F }
    }

    /// ENABLE_CNF: the counter runs and interrupts are allowed.
    var isEnabled: Bool { configuration & 1 != 0 }

    /// LEG_RT_CNF: timer 0 replaces the 8254 (line 0, IOAPIC input 2), timer 1 the RTC (line 8).
    package var isLegacyReplacement: Bool { configuration & 2 != 0 }

    /// The main counter.
    package func counter(_ now: UInt64) -> UInt64 { isEnabled ? (now &+ offset) / Self.period : haltedCounter }

    private func line(_ index: Int) -> UInt32 {
        isLegacyReplacement && index < 2 ? (index == 0 ? 0 : 8) : timers[index].route
    }
}

extension HPET {
    /// The earliest expiry of a timer.
    package var deadline: UInt64? { timers.compactMap(\.expiry).min() }

    /// Interrupt lines (a bit for each, as GSI numbers; line 0 is input 2 of the IOAPIC) that are asserted by levels.
    package var interruptLines: UInt32 {
        var lines: UInt32 = 0
        for (index, timer) in timers.enumerated()
        where status >> UInt64(index) & 1 != 0 && timer.has(Comparator.isLevel) && !timer.has(Comparator.usesMessages) {
            lines |= 1 << line(index)
        }
        return lines
    }

    /// Lines on which there was an edge since the last call.
    package mutating func takePulses() -> UInt32 {
        defer { pulses = 0 }
        return pulses
    }

    /// Messages that were sent since the last call.
    package mutating func takeMessages() -> [InterruptMessage] {
        guard !messages.isEmpty else { return [] }
        defer { messages = [] }
        return messages
    }

    /// Lets the timers expire whose time has come. A periodic timer that is late by several periods expires once.
    package mutating func advance(to now: UInt64) {
        for index in timers.indices {
            guard let expiry = timers[index].expiry, expiry <= now else { continue }
            expire(index, now: now)
        }
    }

    private mutating func expire(_ index: Int, now: UInt64) {
        var timer = timers[index]
        timer.expiry = nil
        let current = counter(now)
        if timer.has(Comparator.isPeriodic), timer.period != 0 {
            let distance =
                timer.has(Comparator.is32BitMode)
                ? UInt64(UInt32(truncatingIfNeeded: current &- timer.comparator)) : current &- timer.comparator
            // A comparator in the future means a counter that was set back: it stays.
            let isPast = distance < (timer.has(Comparator.is32BitMode) ? 1 << 31 : 1 << 63)
            if isPast { timer.comparator &+= (distance / timer.period &+ 1) &* timer.period }
            if timer.has(Comparator.is32BitMode) { timer.comparator &= 0xFFFF_FFFF }
            timer.expiry = expiry(in: ticks(to: timer, from: current), now: now)
        } else if timer.expiresAtWrap {
            timer.expiresAtWrap = false
            timer.expiry = expiry(in: ticks(to: timer, from: current), now: now)
        }
        timers[index] = timer
        interrupt(index)
    }

    private mutating func interrupt(_ index: Int) {
        let timer = timers[index]
        guard isEnabled, timer.has(Comparator.isEnabled) else { return clear(index) }
        if timer.has(Comparator.usesMessages) {
            let message = InterruptMessage(
                address: timer.messageRoute >> 32, data: UInt32(truncatingIfNeeded: timer.messageRoute))
            // A message that was not yet taken is the same interrupt: request bits do not count.
            if let message, !messages.contains(message), messages.count < timers.count { messages.append(message) }
        } else if timer.has(Comparator.isLevel) {
            status |= 1 << UInt64(index)
        } else {
            clear(index)
            pulses |= 1 << line(index)
        }
    }

    private mutating func clear(_ index: Int) { status &= ~(1 << UInt64(index)) }

    /// Ticks until the counter equals the comparator, at least 1: what lies behind the counter expires at once.
    private func ticks(to timer: Comparator, from current: UInt64) -> UInt64 {
        if timer.has(Comparator.is32BitMode) {
            let distance = Int32(truncatingIfNeeded: timer.comparator &- current)
            return distance > 0 ? UInt64(distance) : 1
        }
        let distance = Int64(truncatingIfNeeded: timer.comparator &- current)
        return distance > 0 ? UInt64(distance) : 1
    }

    /// The time at which the counter is `ticks` ahead of where it is now; nil beyond the virtual clock.
    private func expiry(in ticks: UInt64, now: UInt64) -> UInt64? {
        let (distance, overflow) = ticks.multipliedReportingOverflow(by: Self.period)
        guard !overflow else { return nil }
        // A part of the first tick is over already.
        let over = (now &+ offset) % Self.period
        let sum = now.addingReportingOverflow(distance > over ? distance - over : 0)
        return sum.overflow ? nil : sum.partialValue
    }

    /// Starts a timer for its comparator.
    mutating func start(_ index: Int, now: UInt64) {
        var timer = timers[index]
        let current = counter(now)
        var distance = ticks(to: timer, from: current)
        timer.expiresAtWrap = false
        if timer.has(Comparator.is32BitMode), !timer.has(Comparator.isPeriodic) {
            let toWrap = UInt64(UInt32.max - UInt32(truncatingIfNeeded: current))
            if toWrap < distance {
                distance = toWrap
                timer.expiresAtWrap = true
            }
        }
        timer.expiry = expiry(in: distance, now: now)
        timers[index] = timer
    }

    /// Stops a timer and takes its interrupt back.
    mutating func stop(_ index: Int) {
        timers[index].expiry = nil
        clear(index)
    }

    /// Write of ones to the interrupt status.
    mutating func acknowledge(_ bits: UInt64) { status &= ~bits }
}
