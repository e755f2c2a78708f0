extension RealTimeClock {
    /// Reads the data port (offset 1). The address port (offset 0) cannot be read: ones.
    package mutating func read(_ offset: UInt64, byteCount: Int, now: UInt64) -> UInt64 {
        advance(to: now)
        return ByteAccess.read(offset, byteCount: byteCount) { $0 == 1 ? readData(clock: now &+ clockOffset) : nil }
    }

    /// Writes the address port (offset 0; bit 7 disables the NMI) and the data port (offset 1).
    package mutating func write(_ offset: UInt64, byteCount: Int, value: UInt64, now: UInt64) {
        advance(to: now)
        ByteAccess.write(offset, byteCount: byteCount, value: value) { register, byte in
            switch register {
            case 0:
                index = byte & 0x7F
                isNonMaskableInterruptDisabled = byte & 0x80 != 0
            case 1: writeData(byte, clock: now &+ clockOffset)
            default: break
            }
        }
    }

    private static func isTime(_ register: Int) -> Bool {
        switch register {
        case Register.seconds, Register.minutes, Register.hours, Register.weekday...Register.year, Register.century:
            true
        default: false
        }
    }

    private mutating func readData(clock: UInt64) -> UInt8 {
        if Int(index) == Register.centuryPS2 { index = UInt8(Register.century) }
        let register = Int(index & 0x7F)
        switch register {
        case Register.a:
            return memory[register] | (isUpdateNear(clock: clock) ? Bit.updateInProgress : 0)
        case Register.c:
            // Reading takes all flags and the interrupt back.
            let flags = memory[register]
            memory[register] = 0
            if flags & (Bit.updateEnded | Bit.alarm) != 0 { schedule(clock: clock) }
            return flags
        default:
            if Self.isTime(register), isRunning { showTime(clock: clock) }
            return memory[register]
        }
    }

    private mutating func writeData(_ byte: UInt8, clock: UInt64) {
        if Int(index) == Register.centuryPS2 { index = UInt8(Register.century) }
        let register = Int(index & 0x7F)
        switch register {
        case Register.a: writeA(byte, clock: clock)
        case Register.b: writeB(byte, clock: clock)
        case Register.c, Register.d: break
        case Register.secondsAlarm, Register.minutesAlarm, Register.hoursAlarm:
            memory[register] = byte
            schedule(clock: clock)
        default:
            if Self.isTime(register), isRunning {
                // The other registers have to be of this moment before one of them changes.
                showTime(clock: clock)
                let nanoseconds = guestTime(clock: clock).nanoseconds
                memory[register] = byte
                offset = Int64(nanoseconds)
                takeTime(clock: clock)
                schedule(clock: clock)
            } else {
                memory[register] = byte
            }
        }
    }

    /// Register A: dividers (bits 4-6; 11x holds them in reset) and rate.
    private mutating func writeA(_ byte: UInt8, clock: UInt64) {
        let isHeld = memory[Register.a] & 0x60 == 0x60
        if byte & 0x60 == 0x60 {
            if isRunning { showTime(clock: clock) }
        } else if isHeld, byte & 0x70 <= 0x20, !has(Bit.set, in: Register.b) {
            // The first update comes half a second after the dividers are let go.
            offset = Int64(Self.second / 2)
            takeTime(clock: clock)
        }
        let isRateChanged = (memory[Register.a] ^ byte) & 0x0F != 0
        memory[Register.a] = byte & ~Bit.updateInProgress
        if isRateChanged { schedulePeriodic(clock: clock) }
        schedule(clock: clock)
    }

    /// Register B: SET, interrupt enables, formats.
    private mutating func writeB(_ byte: UInt8, clock: UInt64) {
        var byte = byte
        if byte & Bit.set != 0 {
            if isRunning { showTime(clock: clock) }
            memory[Register.a] &= ~Bit.updateInProgress
            byte &= ~Bit.updateEnded
        } else if has(Bit.set, in: Register.b), memory[Register.a] & 0x70 <= 0x20 {
            // The part of the second goes on, the registers are taken in the formats of before.
            offset = Int64(guestTime(clock: clock).nanoseconds)
            takeTime(clock: clock)
        }
        let isPeriodicChanged = (memory[Register.b] ^ byte) & Bit.periodic != 0
        memory[Register.b] = byte
        let pending = byte & memory[Register.c] & (Bit.periodic | Bit.alarm | Bit.updateEnded)
        if pending != 0 { memory[Register.c] |= Bit.interrupt } else { memory[Register.c] &= ~Bit.interrupt }
        if isPeriodicChanged { schedulePeriodic(clock: clock) }
        schedule(clock: clock)
    }
}
