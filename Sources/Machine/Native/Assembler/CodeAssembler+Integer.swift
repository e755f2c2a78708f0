// Integer instructions. `width` is 8, 16, 32 or 64; results of 32 bits clear the upper half of the register
extension CodeAssembler {
    private func sizePrefix(_ width: Width) -> UInt8 { width == 16 ? 0x66 : 0 }

    mutating func move(_ to: HostRegister, _ from: HostRegister, _ width: Width = 64) {
        encode(
            width == 8 ? 0x88 : 0x89, reg: from.number, rm: to.number, wide: width == 64, prefix: sizePrefix(width),
            bytes: width == 8)
    }

    /// The shortest form that sets all 64 bits; flags stay.
    mutating func move(_ to: HostRegister, constant: UInt64) {
        if constant <= 0xFFFF_FFFF {
            if to.number > 7 { byte(0x41) }
            byte(0xB8 | to.number & 7)
            double(UInt32(truncatingIfNeeded: constant))
        } else if Self.fits32(constant) {
            encode(0xC7, reg: 0, rm: to.number, wide: true)
            double(UInt32(truncatingIfNeeded: constant))
        } else {
            byte(to.number > 7 ? 0x49 : 0x48)
            byte(0xB8 | to.number & 7)
            quad(constant)
        }
    }

    /// Zero-extended to 64 bits.
    mutating func load(_ to: HostRegister, _ from: HostAddress, _ width: Width = 64) {
        switch width {
        case 8: encode(0x0FB6, reg: to.number, from)
        case 16: encode(0x0FB7, reg: to.number, from)
        default: encode(0x8B, reg: to.number, from, wide: width == 64)
        }
    }

    mutating func store(_ to: HostAddress, _ from: HostRegister, _ width: Width = 64) {
        encode(
            width == 8 ? 0x88 : 0x89, reg: from.number, to, wide: width == 64, prefix: sizePrefix(width),
            bytes: width == 8)
    }

    /// `constant` must fit into 32 bits with sign for a width of 64.
    mutating func store(_ to: HostAddress, constant: UInt64, _ width: Width = 64) {
        encode(width == 8 ? 0xC6 : 0xC7, reg: 0, to, wide: width == 64, prefix: sizePrefix(width))
        immediate(constant, width)
    }

    mutating func zeroExtend(_ to: HostRegister, _ from: HostRegister, _ width: Width) {
        switch width {
        case 8: encode(0x0FB6, reg: to.number, rm: from.number, bytes: true)
        case 16: encode(0x0FB7, reg: to.number, rm: from.number)
        default: move(to, from, width)
        }
    }

    /// `width` to 32 or 64 bits.
    mutating func signExtend(_ to: HostRegister, _ from: HostRegister, _ width: Width, to target: Width) {
        switch width {
        case 8: encode(0x0FBE, reg: to.number, rm: from.number, wide: target == 64, bytes: true)
        case 16: encode(0x0FBF, reg: to.number, rm: from.number, wide: target == 64)
        case 32 where target == 64: encode(0x63, reg: to.number, rm: from.number, wide: true)
        default: move(to, from, width)
        }
    }

    mutating func loadAddress(_ to: HostRegister, _ address: HostAddress, _ width: Width = 64) {
        encode(0x8D, reg: to.number, address, wide: width == 64)
    }

    /// to = address of the code at offset `target` of this assembler's memory.
    mutating func loadAddress(_ to: HostRegister, codeOffset target: Int) {
        byte(to.number > 7 ? 0x4C : 0x48)
        byte(0x8D)
        byte((to.number & 7) << 3 | 5)
        double(0)
        bind(position - 4, to: target)
    }

    mutating func arithmetic(
        _ operation: HostALUOperation, _ to: HostRegister, _ from: HostRegister, _ width: Width = 64
    ) {
        encode(
            UInt32(operation.rawValue) << 3 | (width == 8 ? 0 : 1), reg: from.number, rm: to.number, wide: width == 64,
            prefix: sizePrefix(width), bytes: width == 8)
    }

    mutating func arithmetic(
        _ operation: HostALUOperation, _ to: HostRegister, _ from: HostAddress, _ width: Width = 64
    ) {
        encode(
            UInt32(operation.rawValue) << 3 | (width == 8 ? 2 : 3), reg: to.number, from, wide: width == 64,
            prefix: sizePrefix(width), bytes: width == 8)
    }

    /// `constant` must fit into 32 bits with sign for a width of 64.
    mutating func arithmetic(
        _ operation: HostALUOperation, _ to: HostRegister, constant: UInt64, _ width: Width = 64
    ) {
        let isShort = width != 8 && Self.fits8(constant, width)
        encode(
            width == 8 ? 0x80 : isShort ? 0x83 : 0x81, reg: operation.rawValue, rm: to.number, wide: width == 64,
            prefix: sizePrefix(width), bytes: width == 8 && to.number > 3)
        immediate(constant, isShort ? 8 : width)
    }

    /// An operation on memory, 32 bits with sign for a width of 64.
    mutating func arithmetic(
        _ operation: HostALUOperation, _ to: HostAddress, constant: UInt64, _ width: Width = 64
    ) {
        let isShort = width != 8 && Self.fits8(constant, width)
        encode(
            width == 8 ? 0x80 : isShort ? 0x83 : 0x81, reg: operation.rawValue, to, wide: width == 64,
            prefix: sizePrefix(width))
        immediate(constant, isShort ? 8 : width)
    }

    /// CMP of 32 bits in memory with a constant that always has four bytes, which end the instruction.
    mutating func compare(_ memory: HostAddress, patchable constant: UInt32) {
        encode(0x81, reg: HostALUOperation.compare.rawValue, memory)
        double(constant)
    }

    mutating func test(_ a: HostRegister, _ b: HostRegister, _ width: Width = 64) {
        encode(
            width == 8 ? 0x84 : 0x85, reg: b.number, rm: a.number, wide: width == 64, prefix: sizePrefix(width),
            bytes: width == 8)
    }

    mutating func test(_ a: HostRegister, constant: UInt64, _ width: Width) {
        encode(
            width == 8 ? 0xF6 : 0xF7, reg: 0, rm: a.number, wide: width == 64, prefix: sizePrefix(width),
            bytes: width == 8)
        immediate(constant, width)
    }

    mutating func shift(_ operation: HostShift, _ to: HostRegister, by count: UInt8, _ width: Width = 64) {
        encode(
            width == 8 ? 0xC0 : 0xC1, reg: operation.rawValue, rm: to.number, wide: width == 64,
            prefix: sizePrefix(width), bytes: width == 8 && to.number > 3)
        byte(count)
    }

    mutating func shiftByCL(_ operation: HostShift, _ to: HostRegister, _ width: Width = 64) {
        encode(
            width == 8 ? 0xD2 : 0xD3, reg: operation.rawValue, rm: to.number, wide: width == 64,
            prefix: sizePrefix(width), bytes: width == 8 && to.number > 3)
    }

    mutating func unary(_ operation: HostUnary, _ register: HostRegister, _ width: Width = 64) {
        encode(
            width == 8 ? 0xF6 : 0xF7, reg: operation.rawValue, rm: register.number, wide: width == 64,
            prefix: sizePrefix(width), bytes: width == 8 && register.number > 3)
    }

    /// Low half of the product, 32 or 64 bits.
    mutating func multiply(_ to: HostRegister, _ by: HostRegister, _ width: Width = 64) {
        encode(0x0FAF, reg: to.number, rm: by.number, wide: width == 64)
    }

    /// to = from * constant; the constant fits into 32 bits with sign.
    mutating func multiply(_ to: HostRegister, _ from: HostRegister, constant: UInt64, _ width: Width = 64) {
        encode(0x69, reg: to.number, rm: from.number, wide: width == 64)
        double(UInt32(truncatingIfNeeded: constant))
    }

    /// CDQ, CQO: the sign of RAX to all bits of RDX.
    mutating func spreadSign(_ width: Width) {
        if width == 64 { byte(0x48) }
        byte(0x99)
    }

    mutating func set(_ condition: HostCondition, _ to: HostRegister) {
        encode(0x0F90 | UInt32(condition.rawValue), reg: 0, rm: to.number, bytes: true)
    }

    mutating func set(_ condition: HostCondition, _ to: HostAddress) {
        encode(0x0F90 | UInt32(condition.rawValue), reg: 0, to)
    }

    mutating func moveIf(
        _ condition: HostCondition, _ to: HostRegister, _ from: HostRegister, _ width: Width = 64
    ) {
        encode(0x0F40 | UInt32(condition.rawValue), reg: to.number, rm: from.number, wide: width == 64)
    }

    /// LAHF: AH = SF ZF 0 AF 0 PF 1 CF.
    mutating func loadFlags() { byte(0x9F) }

    mutating func complementBit(_ register: HostRegister, _ bit: UInt8) {
        encode(0x0FBA, reg: 7, rm: register.number, wide: true)
        byte(bit)
    }

    mutating func swapBytes(_ register: HostRegister, _ width: Width) {
        let high: UInt8 = register.number > 7 ? 1 : 0
        if width == 64 || high != 0 { byte(0x40 | (width == 64 ? 8 : 0) | high) }
        byte(0x0F)
        byte(0xC8 | register.number & 7)
    }

    /// LZCNT, TZCNT, POPCNT of 32 or 64 bits.
    mutating func count(_ operation: HostCount, _ to: HostRegister, _ from: HostRegister, _ width: Width) {
        encode(operation.rawValue, reg: to.number, rm: from.number, wide: width == 64, prefix: 0xF3)
    }

    /// CRC32 of the low `width` bits of `from`.
    mutating func checksum(_ to: HostRegister, _ from: HostRegister, _ width: Width) {
        if width == 16 { byte(0x66) }
        encode(
            width == 8 ? 0x0F38F0 : 0x0F38F1, reg: to.number, rm: from.number, wide: width == 64, prefix: 0xF2,
            bytes: width == 8)
    }

    /// PEXT, PDEP of 64 bits: to = bits of `from` under `mask`. Flags stay.
    mutating func scatter(_ to: HostRegister, _ from: HostRegister, mask: HostRegister, isDeposit: Bool) {
        // VEX.LZ.F3/F2.0F38.W1 F5 /r: inverted R, X, B and vvvv.
        byte(0xC4)
        byte((to.number > 7 ? 0 : 0x80) | 0x40 | (mask.number > 7 ? 0 : 0x20) | 2)
        byte(0x80 | (~from.number & 15) << 3 | (isDeposit ? 3 : 2))
        byte(0xF5)
        byte(0xC0 | (to.number & 7) << 3 | mask.number & 7)
    }

    mutating func push(_ register: HostRegister) {
        if register.number > 7 { byte(0x41) }
        byte(0x50 | register.number & 7)
    }

    mutating func pop(_ register: HostRegister) {
        if register.number > 7 { byte(0x41) }
        byte(0x58 | register.number & 7)
    }
}

/// Bit counts; the raw value is the opcode after the prefix F3.
enum HostCount: UInt32, Sendable {
    case population = 0x0FB8
    case trailingZeros = 0x0FBC
    case leadingZeros = 0x0FBD
}
