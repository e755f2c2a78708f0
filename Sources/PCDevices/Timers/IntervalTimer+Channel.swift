extension IntervalTimer {
    /// One counter of the 8254.
    ///
    /// The counting element is not stepped: everything follows from the count, the time of its loading and the time asked for.
    struct Channel: Sendable, Hashable {
        /// The count as written, 1 to 0x10000 (what a written 0 means); four decimal digits if `isDecimal`.
        var count: UInt32 = 0x10000
        var latchedCount: UInt16 = 0
        /// Which bytes of the latched count are still to be read: 0 none, else as `access`.
        var countLatch: UInt8 = 0
        var isStatusLatched = false
        var status: UInt8 = 0
        var readState: UInt8 = 0
        var writeState: UInt8 = 0
        /// Low byte of a count whose high byte is still missing.
        var writeLatch: UInt8 = 0
        /// Which bytes are read and written: 1 low, 2 high, 3 low then high.
        var access: UInt8 = 0
        /// Mode bits as written, 0-7; 6 and 7 are the modes 2 and 3.
        var programmedMode: UInt8 = 3
        var isDecimal = false
        var gate = true
        /// Time of loading, nanoseconds.
        var loadTime: Int64 = 0
        /// A control word was written, and its count not yet (the "null count" of the status byte): nothing counts.
        var isCountMissing = false
        /// Modes 1 and 5 wait for a rising edge of the gate.
        var isWaitingForGate = false
        /// Ticks that had passed when the gate closed or a control word came; nil while counting.
        var frozenTicks: UInt64?
    }
}

extension IntervalTimer.Channel {
    static let clock = ClockConversion(frequency: IntervalTimer.frequency)

    /// The mode of operation, 0-5 (data sheet, "Mode Definitions"; the highest bit does not matter for modes 2 and 3).
    var mode: UInt8 { programmedMode & 3 >= 2 ? programmedMode & 3 : programmedMode & 5 }

    /// The initial count as a number, 1 to 65536 (binary) or 10000 (BCD).
    var initialCount: UInt64 {
        guard isDecimal else { return UInt64(min(max(count, 1), 0x10000)) }
        var value: UInt64 = 0
        for shift in [UInt32(12), 8, 4, 0] { value = value * 10 + UInt64(min((count >> shift) & 0xF, 9)) }
        return count & 0xFFFF == 0 || value == 0 ? 10_000 : value
    }

    /// Ticks since loading.
    func elapsed(_ now: UInt64) -> UInt64 {
        if let frozenTicks { return frozenTicks }
        let difference = Int64(truncatingIfNeeded: now).subtractingReportingOverflow(loadTime)
        return difference.overflow || difference.partialValue < 0
            ? 0 : Self.clock.ticks(UInt64(difference.partialValue))
    }

    /// The counting element as a read gives it.
    func counter(_ now: UInt64) -> UInt16 {
        let count = initialCount
        let passed = elapsed(now)
        let modulus: UInt64 = isDecimal ? 10_000 : 0x10000
        let value: UInt64
        switch mode {
        case 2: value = count - passed % count
        case 3:
            // An even count is decremented by two in each half; of an odd count, one less is loaded in each half.
            let phase = passed % count
            let high = (count + 1) / 2
            value = (count & ~1) - 2 * (phase < high ? phase : phase - high)
        // Behind the terminal count it wraps around and goes on.
        default: value = (count % modulus + modulus - passed % modulus) % modulus
        }
        let wrapped = value % modulus
        guard isDecimal else { return UInt16(truncatingIfNeeded: wrapped) }
        let digits = (wrapped / 1000) << 12 | (wrapped / 100 % 10) << 8 | (wrapped / 10 % 10) << 4 | wrapped % 10
        return UInt16(truncatingIfNeeded: digits)
    }

    /// The OUT pin.
    func output(_ now: UInt64) -> Bool {
        if isCountMissing || isWaitingForGate { return mode != 0 }
        let count = initialCount
        let passed = elapsed(now)
        switch mode {
        case 0, 1: return passed >= count
        case 2: return !gate || passed % count != count - 1 || count == 1
        case 3: return !gate || passed % count < (count + 1) / 2
        default: return passed != count
        }
    }

    /// Rising edges of OUT after `start` ticks, up to and with `end` ticks.
    func risingEdges(after start: UInt64, through end: UInt64) -> UInt64 {
        guard !isCountMissing, !isWaitingForGate, end > start else { return 0 }
        let count = initialCount
        switch mode {
        case 2, 3: return end / count - start / count
        case 0, 1: return start < count && count <= end ? 1 : 0
        default: return start < count + 1 && count + 1 <= end ? 1 : 0
        }
    }

    /// The time of the first rising edge of OUT after `now`; nil for never.
    func nextRisingEdge(after now: UInt64) -> UInt64? {
        guard !isCountMissing, !isWaitingForGate, frozenTicks == nil else { return nil }
        let count = initialCount
        let passed = elapsed(now)
        let tick: UInt64
        switch mode {
        case 2, 3: tick = (passed / count + 1) &* count
        case 0, 1: tick = count
        default: tick = count + 1
        }
        guard tick > passed else { return nil }
        let delay = Self.clock.nanoseconds(after: tick)
        guard delay < UInt64(Int64.max) else { return nil }
        let (time, overflow) = loadTime.addingReportingOverflow(Int64(delay))
        return overflow || time <= 0 ? nil : UInt64(time)
    }

    /// Takes a complete count into the counting element.
    mutating func load(_ value: UInt16, at now: UInt64) {
        count = value == 0 ? 0x10000 : UInt32(value)
        loadTime = Int64(truncatingIfNeeded: now)
        isCountMissing = false
        frozenTicks = nil
        // The gate stops the other modes; modes 1 and 5 start with its next rising edge.
        if mode == 1 || mode == 5 {
            isWaitingForGate = true
        } else if !gate {
            frozenTicks = 0
        }
    }

    /// The gate input changes.
    mutating func setGate(_ level: Bool, at now: UInt64) {
        defer { gate = level }
        guard level != gate, !isCountMissing else { return }
        switch mode {
        case 1, 5:
            guard level else { return }
            isWaitingForGate = false
            loadTime = Int64(truncatingIfNeeded: now)
        case 2, 3:
            // Opening reloads the count.
            frozenTicks = level ? nil : elapsed(now)
            if level { loadTime = Int64(truncatingIfNeeded: now) }
        default:
            if level {
                guard let passed = frozenTicks else { return }
                loadTime = Int64(truncatingIfNeeded: now &- Self.clock.nanoseconds(after: passed))
                frozenTicks = nil
            } else {
                frozenTicks = elapsed(now)
            }
        }
    }
}
