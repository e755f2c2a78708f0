import X86

// The x87 instructions of kernels and start-up code. Everything else is reported as unsupported
extension Machine {
    /// `code`: opcode byte in bits 8-15, ModRM in bits 0-7.
    func x87Register(_ code: Int) throws(AccessFailure) {
        let system = processor.system
        switch code {
        case 0xDBE3:
            system.pointee.controlWord = 0x37F
            system.pointee.statusWord = 0
            system.pointee.emptyTags = 0xFF
            system.pointee.lastOpcode = 0
            system.pointee.lastInstruction = 0
            system.pointee.lastData = 0
        case 0xDBE2: system.pointee.statusWord &= 0x7F00
        case 0xDFE0: processor[.rax] = processor[.rax] & ~0xFFFF | UInt64(system.pointee.statusWord)
        default:
            switch code >> 8 {
            case 0x9B: break
            case 0x77: system.pointee.emptyTags = 0xFF
            case 0xDD where code & 0xF8 == 0xC0:
                let top = Int(system.pointee.statusWord >> 11) & 7
                system.pointee.emptyTags |= 1 << UInt8((top + code & 7) & 7)
            case 0xD9 where code & 0xF8 == 0xC0: try pushFloat(try floatRegister(code & 7))
            case 0xD9 where code & 0xF8 == 0xC8:
                let top = Int(system.pointee.statusWord >> 11) & 7
                let first = try floatRegister(0)
                let other = try floatRegister(code & 7)
                system.pointee.floatRegisters[top] = other
                system.pointee.floatRegisters[(top + code & 7) & 7] = first
                system.pointee.statusWord &= ~0x200
            case 0xD9 where code == 0xD9E8:
                try pushFloat(ExtendedFloat(significand: 1 << 63, signAndExponent: 0x3FFF))
            case 0xD9 where code == 0xD9EE: try pushFloat(ExtendedFloat())
            case 0xDD where code & 0xF8 == 0xD8:
                let value = try floatRegister(0)
                let top = Int(system.pointee.statusWord >> 11) & 7
                let target = (top + code & 7) & 7
                system.pointee.floatRegisters[target] = value
                system.pointee.emptyTags &= ~(1 << UInt8(target))
                popFloat()
            default: throw unsupported()
            }
        }
    }

    /// ST(index); an empty register (stack underflow) is not supported.
    private func floatRegister(_ index: Int) throws(AccessFailure) -> ExtendedFloat {
        let system = processor.system
        let physical = (Int(system.pointee.statusWord >> 11) + index) & 7
        guard system.pointee.emptyTags & (1 << UInt8(physical)) == 0 else { throw unsupported() }
        return system.pointee.floatRegisters[physical]
    }

    /// Pushes a value; stack overflow is not supported.
    private func pushFloat(_ value: ExtendedFloat) throws(AccessFailure) {
        let system = processor.system
        let top = (Int(system.pointee.statusWord >> 11) + 7) & 7
        guard system.pointee.emptyTags & (1 << UInt8(top)) != 0 else { throw unsupported() }
        system.pointee.floatRegisters[top] = value
        system.pointee.emptyTags &= ~(1 << UInt8(top))
        system.pointee.statusWord = system.pointee.statusWord & ~0x3A00 | UInt16(top) << 11
    }

    private func popFloat() {
        let system = processor.system
        let top = Int(system.pointee.statusWord >> 11) & 7
        system.pointee.emptyTags |= 1 << UInt8(top)
        system.pointee.statusWord = system.pointee.statusWord & ~0x3A00 | UInt16((top + 1) & 7) << 11
    }

    /// An integer as an 80-bit number: always exact.
    private static func extended(_ value: Int64) -> ExtendedFloat {
        guard value != 0 else { return ExtendedFloat() }
        let shift = value.magnitude.leadingZeroBitCount
        return ExtendedFloat(
            significand: value.magnitude << UInt64(shift),
            signAndExponent: UInt16(0x3FFF + 63 - shift) | (value < 0 ? 0x8000 : 0))
    }

    /// A normal or zero double as an 80-bit number: exact. Others are not supported.
    private func extended(_ value: Double) throws(AccessFailure) -> ExtendedFloat {
        let sign: UInt16 = value.sign == .minus ? 0x8000 : 0
        if value.isZero { return ExtendedFloat(significand: 0, signAndExponent: sign) }
        guard value.isNormal else { throw unsupported() }
        return ExtendedFloat(
            significand: 1 << 63 | value.significandBitPattern << 11,
            signAndExponent: UInt16(Int(value.exponent) + 0x3FFF) | sign)
    }

    func x87Memory(_ code: Int, address: UInt64) throws(AccessFailure) {
        let system = processor.system
        let extensionBits = (code >> 3) & 7
        switch (code >> 8, extensionBits) {
        case (0xD9, 5):
            system.pointee.controlWord = UInt16(truncatingIfNeeded: try load(address, byteCount: 2).low)
        case (0xD9, 7): try store(address, byteCount: 2, low: UInt64(system.pointee.controlWord))
        case (0xDB, 0):
            try pushFloat(Self.extended(Int64(Int32(truncatingIfNeeded: try load(address, byteCount: 4).low))))
        case (0xDF, 0):
            try pushFloat(Self.extended(Int64(Int16(truncatingIfNeeded: try load(address, byteCount: 2).low))))
        case (0xDF, 5): try pushFloat(Self.extended(Int64(bitPattern: try load(address, byteCount: 8).low)))
        case (0xDD, 0): try pushFloat(try extended(Double(bitPattern: try load(address, byteCount: 8).low)))
        case (0xD9, 0):
            let single = Float(bitPattern: UInt32(truncatingIfNeeded: try load(address, byteCount: 4).low))
            guard single.isNormal || single.isZero else { throw unsupported() }
            try pushFloat(try extended(Double(single)))
        case (0xDB, 5):
            let raw = try load(address, byteCount: 10)
            try pushFloat(
                ExtendedFloat(significand: raw.low, signAndExponent: UInt16(truncatingIfNeeded: raw.high)))
        case (0xDB, 7):
            let value = try floatRegister(0)
            try store(address, byteCount: 10, low: value.significand, high: UInt64(value.signAndExponent))
            popFloat()
        case (0xDD, 7): try store(address, byteCount: 2, low: UInt64(system.pointee.statusWord))
        default: throw unsupported()
        }
    }
}
