// Jumps, calls and vector instructions
extension CodeAssembler {
    /// Jcc with a 32-bit distance, to be bound.
    ///
    /// - Returns: place of the distance.
    package mutating func jump(_ condition: HostCondition) -> Int {
        byte(0x0F)
        byte(0x80 | condition.rawValue)
        double(0)
        return position - 4
    }

    /// JMP with a 32-bit distance, to be bound.
    package mutating func jump() -> Int {
        byte(0xE9)
        double(0)
        return position - 4
    }

    package mutating func jump(to target: Int) { bind(jump(), to: target) }

    package mutating func jump(_ register: HostRegister) { encode(0xFF, reg: 4, rm: register.number) }

    package mutating func call(to target: Int) {
        byte(0xE8)
        double(0)
        bind(position - 4, to: target)
    }

    package mutating func call(_ register: HostRegister) { encode(0xFF, reg: 2, rm: register.number) }

    package mutating func returnToCaller() { byte(0xC3) }

    /// MOVQ: vector register from general register; the upper half becomes zero.
    package mutating func moveToVector(_ to: UInt8, _ from: HostRegister) {
        encode(0x0F6E, reg: to, rm: from.number, wide: true, prefix: 0x66)
    }

    /// MOVQ: general register from the low half of a vector register.
    package mutating func moveFromVector(_ to: HostRegister, _ from: UInt8) {
        encode(0x0F7E, reg: from, rm: to.number, wide: true, prefix: 0x66)
    }

    /// A packed integer instruction with prefix 66 on two vector registers.
    package mutating func packed(_ opcode: UInt32, _ to: UInt8, _ from: UInt8) {
        encode(opcode, reg: to, rm: from, prefix: 0x66)
    }

    /// PSLLx, PSRLx, PSRAx by a constant: opcodes 71-73 with an extension.
    package mutating func packedShift(_ opcode: UInt32, _ register: UInt8, _ operation: UInt8, by count: UInt8) {
        encode(opcode, reg: operation, rm: register, prefix: 0x66)
        byte(count)
    }
}
