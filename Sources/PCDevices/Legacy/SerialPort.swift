/// A serial port with the UART 16550A.
///
/// Source: PC16550D data sheet (Texas Instruments SNLS378). COM1 is ports 0x3F8-0x3FF (offsets 0-7) and IRQ 4. The transmitter is done at once:
/// what the guest sends lies in the output until somebody takes it. Modem inputs are as of a connected terminal.
package struct SerialPort: Sendable, Hashable {
    /// Output that nobody takes is kept up to here, then dropped.
    package static let outputLimit = 1 << 20
    /// Bytes of the receiver's FIFO.
    static let fifoSize = 16
    /// Bits per second with a divisor of 1.
    static let baudBase: UInt64 = 115_200

    /// Interrupt enables, line control, modem control, scratch, FIFO control (bits that stick).
    var interruptEnable: UInt8 = 0
    var lineControl: UInt8 = 0
    var modemControl: UInt8 = Modem.out2
    var scratch: UInt8 = 0
    var fifoControl: UInt8 = 0
    /// Receiver buffer without FIFO.
    var receiverBuffer: UInt8 = 0
    /// Line status; transmitter bits are always set.
    var lineStatus: UInt8 = Line.transmitterEmpty
    /// Modem inputs that the line has (high half) and changes since the last read (low half).
    var modemStatus: UInt8 = 0xB0
    var divisor: UInt16 = 12
    /// The transmitter's interrupt has neither been seen nor answered.
    var isTransmitterPending = false
    var received: [UInt8] = []
    var isTimeoutPending = false
    /// When received bytes below the trigger level are reported.
    var timeout: UInt64?
    var output: [UInt8] = []
    /// Bytes that were lost because nobody took the output.
    package private(set) var droppedOutput = 0

    /// As after reset.
    package init() {}
}

extension SerialPort {
    /// Interrupt enable register.
    enum Enable {
        static let received: UInt8 = 0x01
        static let transmitter: UInt8 = 0x02
        static let lineStatus: UInt8 = 0x04
        static let modemStatus: UInt8 = 0x08
    }

    /// Line status register.
    enum Line {
        static let dataReady: UInt8 = 0x01
        static let overrun: UInt8 = 0x02
        static let breakReceived: UInt8 = 0x10
        /// Overrun, parity, framing, break.
        static let errors: UInt8 = 0x1E
        /// Holding register and shift register.
        static let transmitterEmpty: UInt8 = 0x60
    }

    /// Modem control register.
    enum Modem {
        static let out2: UInt8 = 0x08
        static let loopback: UInt8 = 0x10
    }

    /// FIFO control register.
    enum FIFO {
        static let enable: UInt8 = 0x01
        static let resetReceiver: UInt8 = 0x02
        static let resetTransmitter: UInt8 = 0x04
        /// Enable, DMA mode, trigger level.
        static let kept: UInt8 = 0xC9
    }

    /// Interrupt identification, bits 0-3 (data sheet table IV).
    enum Cause: UInt8 {
        case none = 0x01
        case modemStatus = 0x00
        case transmitterEmpty = 0x02
        case receivedData = 0x04
        case lineStatus = 0x06
        case timeout = 0x0C
    }

    var hasFIFO: Bool { fifoControl & FIFO.enable != 0 }
    var isLoopback: Bool { modemControl & Modem.loopback != 0 }

    /// Bytes in the FIFO that raise the interrupt: 1, 4, 8, 14.
    var triggerLevel: Int { [1, 4, 8, 14][Int(fifoControl >> 6)] }

    /// The pending interrupt of the highest priority.
    var cause: Cause {
        if interruptEnable & Enable.lineStatus != 0, lineStatus & Line.errors != 0 { return .lineStatus }
        if interruptEnable & Enable.received != 0 {
            if isTimeoutPending { return .timeout }
            if lineStatus & Line.dataReady != 0, !hasFIFO || received.count >= triggerLevel { return .receivedData }
        }
        if interruptEnable & Enable.transmitter != 0, isTransmitterPending { return .transmitterEmpty }
        if interruptEnable & Enable.modemStatus != 0, modemStatus & 0x0F != 0 { return .modemStatus }
        return .none
    }

    /// INTR, on COM1 IRQ 4.
    package var interruptLine: Bool { cause != .none }

    /// When received bytes below the trigger level raise an interrupt.
    package var deadline: UInt64? { interruptEnable & Enable.received != 0 && !isTimeoutPending ? timeout : nil }

    /// Lets the FIFO's timeout happen.
    package mutating func advance(to now: UInt64) {
        guard let timeout, timeout <= now else { return }
        self.timeout = nil
        isTimeoutPending = !received.isEmpty
    }

    /// Nanoseconds of one character with start, parity and stop bits.
    var characterTime: UInt64 {
        let data = UInt64(lineControl & 3) + 5
        let parity: UInt64 = lineControl & 8 != 0 ? 1 : 0
        let stop: UInt64 = lineControl & 4 != 0 ? 2 : 1
        return ClockConversion.nanosecondsPerSecond * UInt64(max(divisor, 1)) / Self.baudBase
            * (1 + data + parity + stop)
    }

    /// The timeout is four characters behind the last received or read one (data sheet, "FIFO Interrupt Mode Operation").
    mutating func restartTimeout(now: UInt64) { timeout = received.isEmpty ? nil : now &+ 4 * characterTime }
}

extension SerialPort {
    /// The guest has room for a byte.
    package var canReceive: Bool { receivable > 0 }

    /// Bytes that the receiver takes without an overrun. In loopback the line is disconnected.
    private var receivable: Int {
        if isLoopback { return 0 }
        return hasFIFO ? Self.fifoSize - received.count : lineStatus & Line.dataReady == 0 ? 1 : 0
    }

    /// Bytes arrive on the line.
    ///
    /// - Returns: how many of them were taken, from the first; the rest can be offered again when ``canReceive`` says so.
    package mutating func receive(_ bytes: [UInt8], now: UInt64) -> Int {
        advance(to: now)
        let count = min(receivable, bytes.count)
        for byte in bytes.prefix(count) { accept(byte, now: now) }
        return count
    }

    /// One byte at the receiver; without room it is lost and an overrun is reported.
    mutating func accept(_ byte: UInt8, now: UInt64) {
        if hasFIFO {
            if received.count < Self.fifoSize { received.append(byte) } else { lineStatus |= Line.overrun }
        } else {
            if lineStatus & Line.dataReady != 0 { lineStatus |= Line.overrun }
            receiverBuffer = byte
        }
        lineStatus |= Line.dataReady
        if hasFIFO { restartTimeout(now: now) }
    }

    /// What the guest has sent since the last call.
    package mutating func takeOutput() -> [UInt8] {
        guard !output.isEmpty else { return [] }
        let taken = output
        output = []
        return taken
    }

    /// There is output to take.
    package var hasOutput: Bool { !output.isEmpty }

    mutating func transmit(_ byte: UInt8, now: UInt64) {
        if isLoopback {
            accept(byte, now: now)
        } else if output.count < Self.outputLimit {
            output.append(byte)
        } else {
            droppedOutput &+= 1
        }
        isTransmitterPending = true
    }
}
