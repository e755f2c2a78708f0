extension HPET {
    /// Registers of 64 bits (specification table 2).
    private enum Register {
        static let capabilities: UInt64 = 0x000
        static let configuration: UInt64 = 0x010
        static let status: UInt64 = 0x020
        static let counter: UInt64 = 0x0F0
        static let timers: UInt64 = 0x100
        /// Bytes from timer to timer, and registers in them.
        static let timerSize: UInt64 = 0x20
        static let timerConfiguration: UInt64 = 0x00
        static let timerComparator: UInt64 = 0x08
        static let timerMessage: UInt64 = 0x10
    }

    /// Vendor 8086, period in femtoseconds, legacy replacement and 64-bit counter, number of timers less one, revision 1.
    private var capabilities: UInt64 {
        (Self.period * 1_000_000) << 32 | 0x8086_A001 | UInt64(timers.count - 1) << 8
    }

    /// Reads registers. Any width that stays within 8 bytes is answered; what does not exist reads zeros.
    package mutating func read(_ offset: UInt64, byteCount: Int, now: UInt64) -> UInt64 {
        advance(to: now)
        return ByteAccess.part(of: register(offset & ~7, now: now), from: offset & 7, byteCount: byteCount)
    }

    private func register(_ offset: UInt64, now: UInt64) -> UInt64 {
        switch offset {
        case Register.capabilities: return capabilities
        case Register.configuration: return configuration
        case Register.status: return status
        case Register.counter: return counter(now)
        default:
            guard let (index, register) = timer(offset) else { return 0 }
            switch register {
            case Register.timerConfiguration: return timers[index].configuration
            case Register.timerComparator: return timers[index].comparator
            case Register.timerMessage: return timers[index].messageRoute
            default: return 0
            }
        }
    }

    /// Writes registers: 4 or 8 bytes, aligned. Everything else is dropped.
    package mutating func write(_ offset: UInt64, byteCount: Int, value: UInt64, now: UInt64) {
        guard byteCount == 4 && offset & 3 == 0 || byteCount == 8 && offset & 7 == 0 else { return }
        advance(to: now)
        let register = offset & ~7
        let old = self.register(register, now: now)
        let new = ByteAccess.merge(value, into: old, at: offset & 7, byteCount: byteCount)
        switch register {
        case Register.configuration: writeConfiguration(new, now: now)
        case Register.status:
            acknowledge(ByteAccess.merge(value, into: 0, at: offset & 7, byteCount: byteCount))
        case Register.counter:
            haltedCounter = ByteAccess.merge(value, into: haltedCounter, at: offset & 7, byteCount: byteCount)
        default:
            guard let (index, register) = timer(register) else { return }
            switch register {
            case Register.timerConfiguration: writeTimerConfiguration(index, new, now: now)
            case Register.timerComparator:
                writeComparator(index, value, at: offset & 7, byteCount: byteCount, now: now)
            case Register.timerMessage: timers[index].messageRoute = new
            default: break
            }
        }
    }

    private func timer(_ offset: UInt64) -> (index: Int, register: UInt64)? {
        guard offset >= Register.timers else { return nil }
        let (index, register) = (offset - Register.timers).quotientAndRemainder(dividingBy: Register.timerSize)
        return index < UInt64(timers.count) ? (Int(index), register) : nil
    }

    private mutating func writeConfiguration(_ value: UInt64, now: UInt64) {
        let wasEnabled = isEnabled
        let counter = counter(now)
        configuration = value & 3
        guard isEnabled != wasEnabled else { return }
        if isEnabled {
            offset = haltedCounter &* Self.period &- now
            for index in timers.indices where timers[index].comparator != .max { start(index, now: now) }
        } else {
            haltedCounter = counter
            for index in timers.indices { stop(index) }
        }
    }

    private mutating func writeTimerConfiguration(_ index: Int, _ value: UInt64, now: UInt64) {
        let old = timers[index].configuration
        var writable = Comparator.writable
        if old & Comparator.canSendMessages == 0 { writable &= ~Comparator.usesMessages }
        if old & Comparator.canBePeriodic == 0 { writable &= ~Comparator.isPeriodic }
        let new = old & ~writable | value & writable
        // A level that is pending goes away with the line that it was on.
        if ~old & new & Comparator.usesMessages != 0 { acknowledge(1 << UInt64(index)) }
        timers[index].configuration = new
        if new & Comparator.is32BitMode != 0 {
            timers[index].comparator &= 0xFFFF_FFFF
            timers[index].period &= 0xFFFF_FFFF
        }
        if ~old & new & Comparator.isEnabled != 0 {
            if isEnabled { start(index, now: now) }
        } else if old & ~new & Comparator.isEnabled != 0 {
            stop(index)
        }
    }

    /// A periodic timer takes the value as its period, and as its comparator too if the configuration said so before
    /// (specification 2.3.9.2.2).
    private mutating func writeComparator(_ index: Int, _ value: UInt64, at byte: UInt64, byteCount: Int, now: UInt64) {
        var timer = timers[index]
        let limit: UInt64 = timer.has(Comparator.is32BitMode) ? 0xFFFF_FFFF : .max
        let isPeriodic = timer.has(Comparator.isPeriodic)
        if !isPeriodic || timer.has(Comparator.setsValue) {
            timer.comparator = ByteAccess.merge(value, into: timer.comparator, at: byte, byteCount: byteCount) & limit
        }
        if isPeriodic {
            timer.period = ByteAccess.merge(value, into: timer.period, at: byte, byteCount: byteCount) & limit >> 1
        }
        timer.configuration &= ~Comparator.setsValue
        timers[index] = timer
        if isEnabled { start(index, now: now) }
    }
}
