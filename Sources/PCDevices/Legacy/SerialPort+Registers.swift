extension SerialPort {
    /// Line control register bit 7: offsets 0 and 1 are the divisor.
    private var isDivisorVisible: Bool { lineControl & 0x80 != 0 }

    /// Modem inputs in the high half of a byte: DCD, RI, DSR, CTS. In loopback they are the outputs OUT2, OUT1, DTR, RTS.
    private var modemInputs: UInt8 {
        guard isLoopback else { return modemStatus & 0xF0 }
        return (modemControl & 0x0C) << 4 | (modemControl & 0x01) << 5 | (modemControl & 0x02) << 3
    }

    /// Reads registers (offsets 0-7).
    package mutating func read(_ offset: UInt64, byteCount: Int, now: UInt64) -> UInt64 {
        advance(to: now)
        return ByteAccess.read(offset, byteCount: byteCount) { $0 < 8 ? readRegister($0, now: now) : nil }
    }

    /// Writes registers (offsets 0-7).
    package mutating func write(_ offset: UInt64, byteCount: Int, value: UInt64, now: UInt64) {
        advance(to: now)
        ByteAccess.write(offset, byteCount: byteCount, value: value) { writeRegister($0, $1, now: now) }
    }

    private mutating func readRegister(_ register: UInt64, now: UInt64) -> UInt8 {
        switch register {
        case 0: return isDivisorVisible ? UInt8(truncatingIfNeeded: divisor) : readReceiver(now: now)
        case 1: return isDivisorVisible ? UInt8(truncatingIfNeeded: divisor >> 8) : interruptEnable
        case 2:
            let cause = cause
            // Reading it answers the transmitter's interrupt.
            if cause == .transmitterEmpty { isTransmitterPending = false }
            return cause.rawValue | (hasFIFO ? 0xC0 : 0)
        case 3: return lineControl
        case 4: return modemControl
        case 5:
            defer { lineStatus &= ~Line.errors }
            return lineStatus
        case 6:
            defer { modemStatus &= 0xF0 }
            return modemInputs | modemStatus & 0x0F
        default: return scratch
        }
    }

    private mutating func readReceiver(now: UInt64) -> UInt8 {
        guard hasFIFO else {
            lineStatus &= ~Line.dataReady
            return receiverBuffer
        }
        isTimeoutPending = false
        let byte = received.isEmpty ? 0 : received.removeFirst()
        if received.isEmpty { lineStatus &= ~Line.dataReady }
        restartTimeout(now: now)
        return byte
    }

    private mutating func writeRegister(_ register: UInt64, _ value: UInt8, now: UInt64) {
        switch register {
        case 0:
            if isDivisorVisible {
                divisor = divisor & 0xFF00 | UInt16(value)
            } else {
                isTransmitterPending = false
                transmit(value, now: now)
            }
        case 1:
            if isDivisorVisible {
                divisor = divisor & 0x00FF | UInt16(value) << 8
            } else {
                let changed = interruptEnable ^ value
                interruptEnable = value & 0x0F
                // Enabling the interrupt of an empty transmitter raises it, even if it has been answered before.
                if changed & Enable.transmitter != 0 { isTransmitterPending = value & Enable.transmitter != 0 }
            }
        case 2: writeFIFOControl(value)
        case 3: lineControl = value
        case 4: writeModemControl(value)
        case 7: scratch = value
        // The status registers are for tests in the factory only.
        default: break
        }
    }

    /// FIFO control. Switching the FIFOs on or off empties them.
    private mutating func writeFIFOControl(_ value: UInt8) {
        var value = value
        if (value ^ fifoControl) & FIFO.enable != 0 { value |= FIFO.resetReceiver | FIFO.resetTransmitter }
        if value & FIFO.resetReceiver != 0 {
            received = []
            lineStatus &= ~(Line.dataReady | Line.breakReceived)
            isTimeoutPending = false
            timeout = nil
        }
        if value & FIFO.resetTransmitter != 0 { isTransmitterPending = interruptEnable & Enable.transmitter != 0 }
        // The other bits are programmed only together with the enable bit.
        fifoControl = value & FIFO.enable != 0 ? value & FIFO.kept : 0
    }

    /// Modem control. A change of the inputs, which loopback makes out of the outputs, sets the delta bits.
    private mutating func writeModemControl(_ value: UInt8) {
        let old = modemInputs
        modemControl = value & 0x1F
        let new = modemInputs
        var delta = (old ^ new) >> 4
        // Ring: only the trailing edge.
        if new & 0x40 != 0 { delta &= ~0x04 }
        modemStatus |= delta
    }
}
