import VMState

/// The floppy disk controller 82077AA without drives: it identifies itself, and every command for a drive fails.
///
/// Source: Intel 82077AA data sheet. Ports 0x3F0-0x3F5 and 0x3F7 (offsets 0-5, 7), IRQ 6.
package struct FloppyController: Sendable, Hashable {
    /// Digital output: drive (bits 0-1), not reset (2), interrupts (3), motors.
    private var digitalOutput: UInt8 = DigitalOutput.initial
    private var tapeDrive: UInt8 = 0
    private var dataRate: UInt8 = 0
    /// Bytes of a command that has not all of its parameters yet.
    private var command: [UInt8] = []
    /// Result bytes that are still to be read.
    private var result: [UInt8] = []
    /// Drives that have not reported the reset yet, lowest first.
    private var resetReports: [UInt8] = []
    /// Status that the next sense command answers.
    private var seekStatus: UInt8?
    /// IRQ 6.
    package private(set) var interruptLine = false

    private enum DigitalOutput {
        static let notReset: UInt8 = 0x04
        static let interrupts: UInt8 = 0x08
        static let initial: UInt8 = 0x0C
    }

    /// Main status: ready (bit 7), result to be read (6), busy (4).
    private var mainStatus: UInt8 {
        guard digitalOutput & DigitalOutput.notReset != 0 else { return 0 }
        return 0x80 | (result.isEmpty ? 0 : 0x50) | (command.isEmpty ? 0 : 0x10)
    }

    /// As after reset.
    package init() {}

    /// Reads section `fdc`: the registers; a command that is under way is forgotten, as no drive can end it.
    package init(_ section: DeviceSection) throws(DeviceError) {
        digitalOutput = try section.integerField("state.dor_vmstate")
        tapeDrive = try section.integerField("state.tdr")
        dataRate = try section.integerField("state.dsr")
    }

    /// Overwrites the registers in section `fdc`.
    package func save(to section: inout DeviceSection) throws(DeviceError) {
        try section.setIntegerField("state.dor_vmstate", to: digitalOutput)
        try section.setIntegerField("state.tdr", to: tapeDrive)
        try section.setIntegerField("state.dsr", to: dataRate)
    }

    package mutating func read(_ offset: UInt64, byteCount: Int) -> UInt64 {
        ByteAccess.read(offset, byteCount: byteCount) { register in
            switch register {
            // Status A: interrupt pending; status B: nothing selected; digital input: disk not changed.
            case 0: interruptLine ? 0x80 : 0
            case 1, 7: 0
            case 2: digitalOutput
            case 3: tapeDrive
            case 4: mainStatus
            case 5: readResult()
            default: nil
            }
        }
    }

    package mutating func write(_ offset: UInt64, byteCount: Int, value: UInt64) {
        ByteAccess.write(offset, byteCount: byteCount, value: value) { register, byte in
            switch register {
            case 2: writeDigitalOutput(byte)
            case 3: tapeDrive = byte & 3
            case 4:
                if byte & 0x80 != 0 { reset() }
                dataRate = byte & 0x7F
            case 5: writeCommand(byte)
            default: break
            }
        }
    }

    private mutating func writeDigitalOutput(_ byte: UInt8) {
        let wasReset = digitalOutput & DigitalOutput.notReset == 0
        digitalOutput = byte
        if byte & DigitalOutput.notReset == 0 {
            command = []
            result = []
            resetReports = []
            interruptLine = false
        } else if wasReset {
            reset()
        }
    }

    /// The end of a reset interrupts, and four sense commands report the four drives (polling mode).
    private mutating func reset() {
        command = []
        result = []
        seekStatus = nil
        resetReports = [0, 1, 2, 3]
        raise()
    }

    private mutating func raise() { interruptLine = digitalOutput & DigitalOutput.interrupts != 0 }

    private mutating func readResult() -> UInt8 {
        interruptLine = false
        return result.isEmpty ? 0 : result.removeFirst()
    }

    /// Parameters behind a command byte; nil for an invalid command.
    private static func parameterCount(_ command: UInt8) -> Int? {
        switch command & 0x1F {
        case 0x03, 0x0F: 2
        case 0x04, 0x07, 0x0A: 1
        case 0x08, 0x0E, 0x10, 0x14: 0
        case 0x13: 3
        case 0x0D: 5
        case 0x02, 0x05, 0x06, 0x09, 0x0C, 0x11, 0x16, 0x19, 0x1D: 8
        case 0x12: 1
        default: nil
        }
    }

    private mutating func writeCommand(_ byte: UInt8) {
        guard digitalOutput & DigitalOutput.notReset != 0, result.isEmpty else { return }
        command.append(byte)
        guard let count = Self.parameterCount(command[0]) else {
            command = []
            result = [0x80]
            return
        }
        if command.count > count {
            execute(command)
            command = []
        }
    }

    private mutating func execute(_ command: [UInt8]) {
        let drive = command.count > 1 ? command[1] & 7 : 0
        switch command[0] & 0x1F {
        case 0x03, 0x12, 0x13: break
        case 0x04: result = [0x28 | drive]
        // Recalibrate and seek: the drive does not answer (equipment check).
        case 0x07, 0x0F:
            seekStatus = 0x70 | drive
            raise()
        case 0x08:
            interruptLine = false
            if let seekStatus {
                result = [seekStatus, 0]
                self.seekStatus = nil
            } else if !resetReports.isEmpty {
                result = [0xC0 | resetReports.removeFirst(), 0]
            } else {
                result = [0x80]
            }
        // Registers, of which nothing is set.
        case 0x0E: result = Array(repeating: 0, count: 10)
        // Version: enhanced controller.
        case 0x10: result = [0x90]
        case 0x14: result = [command[0] & 0x80 != 0 ? 0x10 : 0]
        // Transfers: abnormal end, drive not ready; head, cylinder, sector as asked for.
        default:
            let place = command.dropFirst(2).prefix(3)
            result = [0x48 | drive, 0, 0] + place + Array(repeating: 0, count: 4 - place.count)
            raise()
        }
    }
}
