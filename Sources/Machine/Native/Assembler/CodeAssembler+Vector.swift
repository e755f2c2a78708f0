// SSE instructions. Vector registers are numbers; `prefix` is the mandatory one (66, F2, F3), or 0
extension CodeAssembler {
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

    /// MOVD: general register from the low 32 bits of a vector register, zero-extended.
    package mutating func moveSingleFromVector(_ to: HostRegister, _ from: UInt8) {
        encode(0x0F7E, reg: from, rm: to.number, prefix: 0x66)
    }

    /// An instruction on two vector registers.
    package mutating func vector(_ opcode: UInt32, prefix: UInt8, _ to: UInt8, _ from: UInt8) {
        encode(opcode, reg: to, rm: from, prefix: prefix)
    }

    /// The same with a memory operand; most instructions without VEX want those of 16 bytes aligned.
    package mutating func vector(_ opcode: UInt32, prefix: UInt8, _ to: UInt8, _ from: HostAddress) {
        encode(opcode, reg: to, from, prefix: prefix)
    }

    /// CVTSI2SS, CVTSI2SD: from a general register of `width` bits.
    package mutating func convertInteger(prefix: UInt8, _ to: UInt8, _ from: HostRegister, _ width: Width) {
        encode(0x0F2A, reg: to, rm: from.number, wide: width == 64, prefix: prefix)
    }

    /// CVTSS2SI and its family (`opcode` 0F2D, truncating 0F2C): to a general register of `width` bits.
    package mutating func convertToInteger(
        _ opcode: UInt32, prefix: UInt8, _ to: HostRegister, _ from: UInt8, _ width: Width
    ) {
        encode(opcode, reg: to.number, rm: from, wide: width == 64, prefix: prefix)
    }

    /// MOVAPS between registers.
    package mutating func copyVector(_ to: UInt8, _ from: UInt8) { encode(0x0F28, reg: to, rm: from) }

    /// MOVQ from memory; the upper half becomes zero.
    package mutating func loadWord(_ to: UInt8, _ from: HostAddress) { encode(0x0F7E, reg: to, from, prefix: 0xF3) }

    /// MOVQ to memory: the low half.
    package mutating func storeWord(_ to: HostAddress, _ from: UInt8) { encode(0x0FD6, reg: from, to, prefix: 0x66) }

    /// MOVUPS from memory.
    package mutating func loadVector(_ to: UInt8, _ from: HostAddress) { encode(0x0F10, reg: to, from) }

    /// MOVUPS to memory.
    package mutating func storeVector(_ to: HostAddress, _ from: UInt8) { encode(0x0F11, reg: from, to) }

    /// LDMXCSR.
    package mutating func loadFloatControl(_ from: HostAddress) { encode(0x0FAE, reg: 2, from) }

    /// STMXCSR.
    package mutating func storeFloatControl(_ to: HostAddress) { encode(0x0FAE, reg: 3, to) }
}
