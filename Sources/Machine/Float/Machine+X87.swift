import X86

// x87: the glue between instructions, memory and `X87Unit`
extension Machine {
    /// Raises #MF when an unmasked exception waits. With CR0.NE clear the error goes through the interrupt controller.
    func checkPendingX87() throws(AccessFailure) {
        let system = processor.system
        guard system.pointee.statusWord & X87Status.summary != 0 else { return }
        guard system.pointee.cr0 & CR0.numericError != 0 else {
            throw .exit(
                .unsupportedMode(
                    rip: processor[.rip],
                    reason: "an x87 error is to be reported through IRQ 13, as for programs of the 80287; "
                        + "only CR0.NE = 1 is supported"))
        }
        throw .exception(GuestException(.x87Error))
    }

    /// FWAIT, and the register forms that do not compute.
    ///
    /// - Parameter code: opcode byte in bits 8-15, ModRM in bits 0-7.
    func x87Register(_ code: Int) throws(AccessFailure) {
        let processor = processor
        let system = processor.system
        if code >> 8 == 0x9B {
            let both = CR0.monitorCoprocessor | CR0.taskSwitched
            if system.pointee.cr0 & both == both { throw .exception(GuestException(.deviceNotAvailable)) }
            try checkPendingX87()
            return
        }
        if code >> 8 == 0x77 {
            try checkPendingX87()
            system.pointee.emptyTags = 0xFF
            system.pointee.statusWord &= ~0x3800
            return
        }
        // FNCLEX, FNINIT, FNSTSW AX and their like do not wait.
        let isControl = code == 0xDFE0 || (code & 0xFFF8 == 0xDBE0)
        if !isControl { try checkPendingX87() }
        var unit = X87Unit(system.pointee)
        let effect = unit.executeRegister(code >> 8, code & 0xFF) { condition in
            switch condition {
            case 0: processor[.cf] != 0
            case 1: processor[.zf] != 0
            case 2: processor[.cf] | processor[.zf] != 0
            default: processor[.pf] != 0
            }
        }
        switch effect {
        case .undefined: throw .exception(.invalidOpcode)
        case .none: break
        case .statusToAX(let status):
            processor[.rax] = processor[.rax] & ~0xFFFF | UInt64(status)
            return
        case .flags(let zero, let parity, let carry):
            for flag in Slot.arithmeticFlags { processor[flag] = 0 }
            processor[.zf] = zero ? 1 : 0
            processor[.pf] = parity ? 1 : 0
            processor[.cf] = carry ? 1 : 0
        }
        commit(unit)
        if code == 0xDBE3 {
            system.pointee.lastOpcode = 0
            system.pointee.lastInstruction = 0
            system.pointee.lastData = 0
        } else if !isControl {
            noteX87(code, data: nil)
        }
    }

    private func commit(_ unit: X87Unit) {
        let system = processor.system
        system.pointee.controlWord = unit.control
        system.pointee.statusWord = unit.status
        system.pointee.emptyTags = unit.emptyTags
        system.pointee.floatRegisters = unit.registers
    }

    /// FIP and FDP; FOP only with an unmasked exception, as processors since the Pentium 4 do.
    private func noteX87(_ code: Int, data: UInt64?) {
        let system = processor.system
        system.pointee.lastInstruction = processor[.rip]
        if let data { system.pointee.lastData = data }
        if system.pointee.statusWord & X87Status.summary != 0 {
            system.pointee.lastOpcode = UInt16(truncatingIfNeeded: code) & 0x7FF
        }
    }

    /// - Parameters:
    ///   - code: as for `x87Register`.
    ///   - address: virtual address of the operand.
    ///   - width: operand size of the environment forms, 16 or 32.
    func x87Memory(_ code: Int, address: UInt64, width: Int) throws(AccessFailure) {
        let opcode = code >> 8
        let group = (code >> 3) & 7
        switch (opcode, group) {
        case (0xD9, 4):
            try checkPendingX87()
            return try loadX87Environment(address, width)
        case (0xD9, 6): return try storeX87Environment(address, width)
        case (0xDD, 4):
            try checkPendingX87()
            return try restoreX87(address, width)
        case (0xDD, 6): return try saveX87(address, width)
        default: break
        }
        // FNSTCW and FNSTSW do not wait.
        let isStore = (opcode == 0xD9 || opcode == 0xDD) && group == 7
        if !isStore { try checkPendingX87() }
        var word = X87Unit.Word(low: 0)
        let byteCount = X87Unit.bytesRead(opcode, group)
        if byteCount > 0 {
            let raw = try load(address, byteCount: byteCount)
            word = X87Unit.Word(low: raw.low, high: UInt16(truncatingIfNeeded: raw.high))
        }
        var unit = X87Unit(processor.system.pointee)
        switch unit.executeMemory(opcode, group, word) {
        case .undefined: throw .exception(.invalidOpcode)
        case .none: break
        case .store(let result):
            try store(address, byteCount: result.byteCount, low: result.word.low, high: UInt64(result.word.high))
        }
        commit(unit)
        if !isStore, opcode != 0xD9 || group != 5 { noteX87(code, data: address) }
    }

    /// Words of the environment: control, status, tags, instruction offset and selector with opcode, operand offset and selector.
    private func environmentImage(_ width: Int) -> [UInt8] {
        let system = processor.system
        let unit = X87Unit(system.pointee)
        let instruction = system.pointee.lastInstruction
        let data = system.pointee.lastData
        let words: [UInt64]
        if width == 16 {
            words = [
                UInt64(unit.control), UInt64(unit.status), UInt64(unit.tagWord), instruction & 0xFFFF, 0,
                data & 0xFFFF, 0,
            ]
        } else {
            words = [
                UInt64(unit.control) | 0xFFFF_0000, UInt64(unit.status) | 0xFFFF_0000,
                UInt64(unit.tagWord) | 0xFFFF_0000, instruction & 0xFFFF_FFFF,
                UInt64(system.pointee.lastOpcode) << 16, data & 0xFFFF_FFFF, 0xFFFF_0000,
            ]
        }
        return words.flatMap { word in (0..<width / 8).map { UInt8(truncatingIfNeeded: word >> UInt64($0 * 8)) } }
    }

    private func storeX87Environment(_ address: UInt64, _ width: Int) throws(AccessFailure) {
        try writeGuest(address, environmentImage(width))
        // All exceptions are masked afterwards.
        processor.system.pointee.controlWord |= X87Status.exceptions
        refreshX87Summary()
    }

    private func refreshX87Summary() {
        var unit = X87Unit(processor.system.pointee)
        unit.updateSummary()
        commit(unit)
    }

    private func setX87Environment(_ bytes: [UInt8], _ width: Int) {
        let size = width / 8
        func word(_ index: Int) -> UInt64 {
            (0..<size).reduce(0) { $0 | UInt64(bytes[index * size + $1]) << UInt64($1 * 8) }
        }
        let system = processor.system
        var unit = X87Unit(system.pointee)
        unit.control = UInt16(truncatingIfNeeded: word(0)) & 0x1F7F | 0x40
        unit.status = UInt16(truncatingIfNeeded: word(1))
        unit.setTagWord(UInt16(truncatingIfNeeded: word(2)))
        unit.updateSummary()
        commit(unit)
        system.pointee.lastInstruction = word(3)
        system.pointee.lastData = word(5)
        system.pointee.lastOpcode = width == 32 ? UInt16(truncatingIfNeeded: word(4) >> 16) & 0x7FF : 0
    }

    private func loadX87Environment(_ address: UInt64, _ width: Int) throws(AccessFailure) {
        setX87Environment(try readGuest(address, count: width / 8 * 7), width)
    }

    /// FNSAVE: environment and registers from ST0 on, then FNINIT.
    private func saveX87(_ address: UInt64, _ width: Int) throws(AccessFailure) {
        let unit = X87Unit(processor.system.pointee)
        var bytes = environmentImage(width)
        for index in 0..<8 {
            let number = unit[index]
            bytes += (0..<8).map { UInt8(truncatingIfNeeded: number.significand >> UInt64($0 * 8)) }
            bytes += [
                UInt8(truncatingIfNeeded: number.signAndExponent),
                UInt8(truncatingIfNeeded: number.signAndExponent >> 8),
            ]
        }
        try writeGuest(address, bytes)
        try x87Register(0xDBE3)
    }

    private func restoreX87(_ address: UInt64, _ width: Int) throws(AccessFailure) {
        let start = width / 8 * 7
        let bytes = try readGuest(address, count: start + 80)
        setX87Environment(bytes, width)
        var unit = X87Unit(processor.system.pointee)
        for index in 0..<8 {
            let offset = start + index * 10
            let significand = (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[offset + $1]) << UInt64($1 * 8) }
            let upper = UInt16(bytes[offset + 8]) | UInt16(bytes[offset + 9]) << 8
            unit.registers[(unit.top + index) & 7] = ExtendedFloat(significand: significand, signAndExponent: upper)
        }
        commit(unit)
    }
}
