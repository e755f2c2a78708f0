/// Writes x86-64 instructions into memory.
///
/// The encodings are those of the Intel SDM, volume 2. Nothing is written beyond `capacity`: then `isFull` is true and what was
/// assembled must be thrown away.
package struct CodeAssembler {
    /// Where the first byte goes; writable for `capacity` bytes.
    package let base: UnsafeMutablePointer<UInt8>
    package let capacity: Int
    /// Bytes written, and those that did not fit.
    package private(set) var position = 0

    package init(_ base: UnsafeMutablePointer<UInt8>, capacity: Int, position: Int = 0) {
        self.base = base
        self.capacity = capacity
        self.position = position
    }

    package var isFull: Bool { position > capacity }

    package mutating func byte(_ value: UInt8) {
        if position < capacity { base[position] = value }
        position &+= 1
    }

    package mutating func word(_ value: UInt16) {
        byte(UInt8(truncatingIfNeeded: value))
        byte(UInt8(truncatingIfNeeded: value >> 8))
    }

    package mutating func double(_ value: UInt32) {
        if position &+ 4 <= capacity {
            UnsafeMutableRawPointer(base + position).storeBytes(of: value, as: UInt32.self)
        }
        position &+= 4
    }

    package mutating func quad(_ value: UInt64) {
        double(UInt32(truncatingIfNeeded: value))
        double(UInt32(truncatingIfNeeded: value >> 32))
    }

    /// Replaces four bytes that were written before.
    package mutating func patch(_ place: Int, _ value: UInt32) {
        guard place >= 0, place &+ 4 <= capacity else { return }
        UnsafeMutableRawPointer(base + place).storeBytes(of: value, as: UInt32.self)
    }

    /// Makes the 32-bit relative field at `place` (the last field of its instruction) lead to `target`.
    package mutating func bind(_ place: Int, to target: Int) {
        patch(place, UInt32(truncatingIfNeeded: target &- (place &+ 4)))
    }

    /// Makes the relative field at `place` lead here.
    package mutating func bindHere(_ place: Int) { bind(place, to: position) }
}

extension CodeAssembler {
    /// Operand size of an instruction: 8, 16, 32 or 64 bits.
    package typealias Width = UInt8

    /// Opcode of one to three bytes, the last byte in the low bits: 0x0FB6, 0x0F38F1.
    private mutating func opcode(_ value: UInt32) {
        if value > 0xFFFF { byte(UInt8(truncatingIfNeeded: value >> 16)) }
        if value > 0xFF { byte(UInt8(truncatingIfNeeded: value >> 8)) }
        byte(UInt8(truncatingIfNeeded: value))
    }

    /// Mandatory or operand-size prefix, then REX where one is needed.
    private mutating func prefixes(
        _ prefix: UInt8, wide: Bool, reg: UInt8, index: UInt8, base: UInt8, forced: Bool
    ) {
        if prefix != 0 { byte(prefix) }
        let rex = (wide ? 8 : 0) | (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3
        if rex != 0 || forced { byte(0x40 | rex) }
    }

    /// `opcode /reg` with a register operand. `bytes`: registers 4-7 mean SPL to DIL and need a REX prefix.
    package mutating func encode(
        _ code: UInt32, reg: UInt8, rm: UInt8, wide: Bool = false, prefix: UInt8 = 0, bytes: Bool = false
    ) {
        prefixes(prefix, wide: wide, reg: reg, index: 0, base: rm, forced: bytes && (reg > 3 || rm > 3))
        opcode(code)
        byte(0xC0 | (reg & 7) << 3 | rm & 7)
    }

    /// `opcode /reg` with a memory operand.
    package mutating func encode(
        _ code: UInt32, reg: UInt8, _ memory: HostAddress, wide: Bool = false, prefix: UInt8 = 0, bytes: Bool = false
    ) {
        let base = memory.base.number
        let index = memory.index?.number ?? 4
        prefixes(
            prefix, wide: wide, reg: reg, index: memory.index == nil ? 0 : index, base: base,
            forced: bytes && reg > 3)
        opcode(code)
        let needsIndex = memory.index != nil || base & 7 == 4
        let displacement = memory.displacement
        // RBP and R13 have no form without displacement.
        let mode: UInt8 =
            displacement == 0 && base & 7 != 5 ? 0 : displacement >= -128 && displacement <= 127 ? 0x40 : 0x80
        byte(mode | (reg & 7) << 3 | (needsIndex ? 4 : base & 7))
        if needsIndex { byte(memory.scale << 6 | (index & 7) << 3 | base & 7) }
        switch mode {
        case 0: break
        case 0x40: byte(UInt8(bitPattern: Int8(truncatingIfNeeded: displacement)))
        default: double(UInt32(bitPattern: displacement))
        }
    }

    /// An immediate of an operand size: 64-bit instructions take 32 bits, sign-extended.
    package mutating func immediate(_ value: UInt64, _ width: Width) {
        switch width {
        case 8: byte(UInt8(truncatingIfNeeded: value))
        case 16: word(UInt16(truncatingIfNeeded: value))
        default: double(UInt32(truncatingIfNeeded: value))
        }
    }

    /// True when `value` is the sign extension of its low 32 bits.
    package static func fits32(_ value: UInt64) -> Bool {
        Int64(bitPattern: value) == Int64(Int32(truncatingIfNeeded: value))
    }

    /// True when the low `width` bits of `value` are the sign extension of its low 8 bits.
    package static func fits8(_ value: UInt64, _ width: Width) -> Bool {
        let extended = UInt64(bitPattern: Int64(Int8(truncatingIfNeeded: value)))
        return (extended ^ value) << UInt64(64 - width) == 0
    }
}
