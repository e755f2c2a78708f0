import PCDevices

// The first serial port, from outside.
extension Machine {
    /// What the guest has written since the last call.
    package func takeConsoleOutput() -> [UInt8] { board.serial.takeOutput() }

    /// Sends bytes to the guest's serial port; how many of them it took.
    package func sendConsoleInput(_ bytes: [UInt8]) -> Int {
        let count = board.serial.receive(bytes, now: board.deviceTime(schedule.now))
        board.propagate()
        return count
    }

    /// What the guest has touched and the engine lacks.
    package var notes: [String] {
        board.notes
            + (board.pci?.touchedUnsupported ?? []).map { "the device \($0), which the engine does not have, was used" }
    }

    /// An exit in words, for people.
    package func explain(_ exit: Exit) -> String {
        let place = "CPU \(activeProcessor) at 0x\(String(processor[.rip], radix: 16))"
        switch exit {
        case .unsupported(let rip, let bytes):
            let code = bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined(separator: " ")
            return "CPU \(activeProcessor) at 0x\(String(rip, radix: 16)): the engine lacks the instruction \(code)"
        case .unsupportedMode(let rip, let reason):
            return "CPU \(activeProcessor) at 0x\(String(rip, radix: 16)): \(reason)"
        case .tripleFault: return "\(place): a fault while delivering a double fault; a PC would reset"
        case .memoryFailure(let error): return "\(place): \(error)"
        default: return "\(place): \(exit)"
        }
    }
}
