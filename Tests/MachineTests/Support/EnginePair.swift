import Machine
import X86

/// Two machines of the same guest: one interprets, one runs translated code. Whatever can be seen must be the same.
struct EnginePair {
    let interpreter: Machine
    let native: Machine

    init(_ guest: LongModeGuest, options: MachineOptions = MachineOptions()) throws {
        var interpreting = options
        interpreting.usesMachineCode = false
        var translating = options
        translating.usesMachineCode = true
        interpreter = try guest.machine(options: interpreting)
        native = try guest.machine(options: translating)
    }

    private init(_ interpreter: Machine, _ native: Machine) {
        self.interpreter = interpreter
        self.native = native
    }

    func fork() -> EnginePair { EnginePair(interpreter.fork(), native.fork()) }

    /// Does the same with both.
    func both(_ body: (Machine) throws -> Void) rethrows {
        try body(interpreter)
        try body(native)
    }

    /// Runs both.
    ///
    /// - Returns: how the interpreter's run ended, and what differs.
    func run(budget: UInt64) -> (exit: Exit, difference: String?) {
        let expected = interpreter.run(budget: budget)
        let found = native.run(budget: budget)
        if expected != found { return (expected, "exit \(found), interpreter \(expected)") }
        return (expected, stateDifference())
    }

    /// What differs in the processors.
    func stateDifference() -> String? {
        if native.retiredInstructions != interpreter.retiredInstructions {
            return "retired \(native.retiredInstructions), interpreter \(interpreter.retiredInstructions)"
        }
        for index in 0..<Slot.guestCount where index != Int(Slot.immediate.rawValue) {
            let (found, expected) = (native.slots[index], interpreter.slots[index])
            if found != expected {
                return "\(Slot(UInt16(index))): \(String(found, radix: 16)), interpreter \(String(expected, radix: 16))"
            }
        }
        return native.processor.save() == interpreter.processor.save() ? nil : "system state"
    }

    /// What differs in memory, page by page.
    func memoryDifference() throws -> String? {
        let pages = interpreter.memory.writtenPages()
        if native.memory.writtenPages() != pages {
            return "written pages \(native.memory.writtenPages()), interpreter \(pages)"
        }
        for page in pages {
            let address = UInt64(page) * 4096
            let expected = try interpreter.readPhysical(address, count: 4096)
            let found = try native.readPhysical(address, count: 4096)
            if expected != found {
                let offset = zip(expected, found).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? 0
                return "memory at 0x\(String(address + UInt64(offset), radix: 16))"
            }
        }
        return nil
    }
}
