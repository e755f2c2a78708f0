/// The keyboard controller 8042 of a PC/AT with a PS/2 keyboard and a PS/2 mouse that nobody touches.
///
/// Source: IBM PC/AT and PS/2 Hardware Technical References, Intel 8042 AH data sheet. Port 0x60 is offset 0, port 0x64 offset 4 (offsets
/// relative to 0x60). The keyboard is IRQ 1, the mouse IRQ 12.
package struct KeyboardController: Sendable, Hashable {
    /// Controller command whose data byte comes next to port 0x60; 0 without: the byte is for the keyboard.
    var command: UInt8 = 0
    var status: UInt8 = Status.command | Status.unlocked
    /// The command byte.
    var mode: UInt8 = Mode.keyboardInterrupt | Mode.mouseInterrupt
    /// The output port P2: reset line (bit 0, low resets), A20 (bit 1), output buffer (4, 5).
    var outputPort: UInt8 = Output.initial
    /// An answer of the controller itself waits.
    var answer: Answer?
    /// Its byte, or the last one.
    var answerByte: UInt8 = 0
    /// Where the byte in the output buffer comes from.
    var source: Source = .none
    /// The byte that was read last.
    var outputByte: UInt8 = 0
    var keyboard = PS2Keyboard()
    var mouse = PS2Mouse()
    private var isResetRequested = false

    /// As after power-on.
    package init() {}
}

extension KeyboardController {
    /// Status register.
    enum Status {
        static let outputFull: UInt8 = 0x01
        static let selfTestPassed: UInt8 = 0x04
        static let command: UInt8 = 0x08
        static let unlocked: UInt8 = 0x10
        static let mouseOutputFull: UInt8 = 0x20
    }

    /// Command byte.
    enum Mode {
        static let keyboardInterrupt: UInt8 = 0x01
        static let mouseInterrupt: UInt8 = 0x02
        static let keyboardDisabled: UInt8 = 0x10
        static let mouseDisabled: UInt8 = 0x20
        static let translation: UInt8 = 0x40
    }

    /// Output port.
    enum Output {
        static let notReset: UInt8 = 0x01
        static let a20: UInt8 = 0x02
        static let keyboardFull: UInt8 = 0x10
        static let mouseFull: UInt8 = 0x20
        /// Reset line high, A20 open, pins without function high.
        static let initial: UInt8 = 0xCF
    }

    enum Answer: Sendable, Hashable {
        case keyboard
        case mouse
    }

    /// QEMU's numbers (field `obsrc`).
    enum Source: UInt32, Sendable {
        case none = 0
        case keyboard = 1
        case mouse = 2
        case controller = 4
    }

    /// The keyboard's interrupt, IRQ 1.
    package var keyboardInterruptLine: Bool {
        status & (Status.outputFull | Status.mouseOutputFull) == Status.outputFull
            && mode & (Mode.keyboardInterrupt | Mode.keyboardDisabled) == Mode.keyboardInterrupt
    }

    /// The mouse's interrupt, IRQ 12.
    package var mouseInterruptLine: Bool {
        status & Status.outputFull != 0 && status & Status.mouseOutputFull != 0 && mode & Mode.mouseInterrupt != 0
    }

    /// The address line 20 is open. On a PC it is open if this or port 0x92 says so.
    package var isA20Enabled: Bool { outputPort & Output.a20 != 0 }

    /// The guest has asked for a reset since the last call.
    package mutating func takeResetRequest() -> Bool {
        defer { isResetRequested = false }
        return isResetRequested
    }

    /// Puts the next waiting byte into the output buffer: the controller's first, then the keyboard's, then the mouse's.
    mutating func fillOutput() {
        guard status & Status.outputFull == 0 else { return }
        if let answer {
            setOutput(.controller, isMouse: answer == .mouse)
        } else if !keyboard.queue.isEmpty, mode & Mode.keyboardDisabled == 0 {
            setOutput(.keyboard, isMouse: false)
        } else if !mouse.queue.isEmpty, mode & Mode.mouseDisabled == 0 {
            setOutput(.mouse, isMouse: true)
        }
    }

    private mutating func setOutput(_ source: Source, isMouse: Bool) {
        self.source = source
        status |= Status.outputFull | (isMouse ? Status.mouseOutputFull : 0)
        outputPort |= Output.keyboardFull | (isMouse ? Output.mouseFull : 0)
    }
}

extension KeyboardController {
    /// Reads port 0x60 (offset 0) and port 0x64 (offset 4).
    package mutating func read(_ offset: UInt64, byteCount: Int) -> UInt64 {
        ByteAccess.read(offset, byteCount: byteCount) { port in
            switch port {
            case 0: readData()
            case 4: status
            default: nil
            }
        }
    }

    /// Writes port 0x60 (offset 0) and port 0x64 (offset 4).
    package mutating func write(_ offset: UInt64, byteCount: Int, value: UInt64) {
        ByteAccess.write(offset, byteCount: byteCount, value: value) { port, byte in
            switch port {
            case 0: writeData(byte)
            case 4: writeCommand(byte)
            default: break
            }
        }
    }

    /// Without a waiting byte the last one is read again.
    private mutating func readData() -> UInt8 {
        guard status & Status.outputFull != 0 else { return outputByte }
        status &= ~(Status.outputFull | Status.mouseOutputFull)
        outputPort &= ~(Output.keyboardFull | Output.mouseFull)
        switch source {
        case .keyboard: outputByte = keyboard.queue.next()
        case .mouse: outputByte = mouse.queue.next()
        case .controller:
            outputByte = answerByte
            answer = nil
        case .none: break
        }
        fillOutput()
        return outputByte
    }

    private mutating func reply(_ byte: UInt8, as kind: Answer = .keyboard) {
        answerByte = byte
        answer = kind
        fillOutput()
    }

    private mutating func writeData(_ byte: UInt8) {
        let pending = command
        command = 0
        status &= ~Status.command
        switch pending {
        case 0:
            // A byte for a device opens its interface again.
            keyboard.write(byte)
            mode &= ~Mode.keyboardDisabled
            fillOutput()
        case 0x60:
            mode = byte
            keyboard.isTranslated = byte & Mode.translation != 0
            fillOutput()
        case 0xD1: writeOutputPort(byte)
        case 0xD2: reply(byte)
        case 0xD3: reply(byte, as: .mouse)
        case 0xD4:
            mouse.write(byte)
            mode &= ~Mode.mouseDisabled
            fillOutput()
        default: break
        }
    }

    private mutating func writeOutputPort(_ byte: UInt8) {
        outputPort = byte
        if byte & Output.notReset == 0 { isResetRequested = true }
    }

    private mutating func writeCommand(_ byte: UInt8) {
        status |= Status.command
        switch byte {
        case 0x20: reply(mode)
        // Commands with a data byte: command byte, output port, output buffers, mouse.
        case 0x60, 0xD1...0xD4: command = byte
        case 0xA7: mode |= Mode.mouseDisabled
        case 0xA8:
            mode &= ~Mode.mouseDisabled
            fillOutput()
        // Tests: both interfaces 0 (no fault), the controller itself 0x55.
        case 0xA9, 0xAB: reply(0x00)
        case 0xAA:
            status |= Status.selfTestPassed
            reply(0x55)
        case 0xAD: mode |= Mode.keyboardDisabled
        case 0xAE:
            mode &= ~Mode.keyboardDisabled
            fillOutput()
        // Input port: keyboard not locked.
        case 0xC0: reply(0x80)
        case 0xD0: reply(outputPort)
        case 0xDD: outputPort &= ~Output.a20
        case 0xDF: outputPort |= Output.a20
        // Pulses output lines low whose bit is 0; line 0 resets.
        case 0xF0...0xFF: if byte & 1 == 0 { isResetRequested = true }
        default: break
        }
    }
}
