import CZydis

/// What an encoding is called and which kinds of operands it has: for lists of instructions and for messages.
package struct InstructionShape: Sendable, Hashable {
    /// How opcode and operands are encoded.
    package enum Encoding: String, Sendable, CaseIterable {
        case legacy
        case vex = "VEX"
        case evex = "EVEX"
        case other
    }

    /// In capitals, without prefixes, as Zydis has it.
    package let mnemonic: String
    package let encoding: Encoding
    /// Kinds of the operands that the assembly text shows: `r32`, `m128`, `xmm`, `imm8`, `rel32`, `st`, `cr` ...
    package let operands: [String]
    /// Zydis' name of the extension of the instruction set, for example `SSE2`.
    package let family: String
    /// Bytes of the instruction.
    package let length: Int
}

extension Lifter {
    /// The shape of the first instruction of `code`; nil when it is none.
    package func shape(_ code: UnsafeRawBufferPointer) -> InstructionShape? {
        var decoder = InstructionDecoder(context: context).decoder
        var raw = ZydisDecodedInstruction()
        return withUnsafeTemporaryAllocation(of: ZydisDecodedOperand.self, capacity: 10) { buffer in
            guard let start = buffer.baseAddress, let bytes = code.baseAddress,
                ZydisDecoderDecodeFull(&decoder, bytes, ZyanUSize(code.count), &raw, start) & 0x8000_0000 == 0,
                let name = ZydisMnemonicGetString(raw.mnemonic), let family = ZydisISASetGetString(raw.meta.isa_set)
            else { return nil }
            let visible = UnsafeBufferPointer(start: start, count: Int(raw.operand_count_visible))
            return InstructionShape(
                mnemonic: String(cString: name).uppercased(), encoding: Self.encoding(raw.encoding),
                operands: visible.map(Self.kind), family: String(cString: family), length: Int(raw.length))
        }
    }

    private static func encoding(_ raw: ZydisInstructionEncoding) -> InstructionShape.Encoding {
        switch raw {
        case ZYDIS_INSTRUCTION_ENCODING_LEGACY: .legacy
        case ZYDIS_INSTRUCTION_ENCODING_VEX: .vex
        case ZYDIS_INSTRUCTION_ENCODING_EVEX: .evex
        default: .other
        }
    }

    private static func kind(_ operand: ZydisDecodedOperand) -> String {
        switch operand.type {
        case ZYDIS_OPERAND_TYPE_REGISTER: kind(operand.reg.value)
        case ZYDIS_OPERAND_TYPE_MEMORY:
            // Addresses only (LEA), operands without a size of their own, and vectors of addresses.
            operand.mem.type == ZYDIS_MEMOP_TYPE_VSIB
                ? "vm" : operand.mem.type == ZYDIS_MEMOP_TYPE_AGEN || operand.size == 0 ? "m" : "m\(operand.size)"
        case ZYDIS_OPERAND_TYPE_IMMEDIATE: operand.imm.is_relative != 0 ? "rel\(operand.size)" : "imm\(operand.size)"
        case ZYDIS_OPERAND_TYPE_POINTER: "ptr16:\(operand.size - 16)"
        default: "?"
        }
    }

    private static func kind(_ register: ZydisRegister) -> String {
        switch ZydisRegisterGetClass(register) {
        case ZYDIS_REGCLASS_GPR8: "r8"
        case ZYDIS_REGCLASS_GPR16: "r16"
        case ZYDIS_REGCLASS_GPR32: "r32"
        case ZYDIS_REGCLASS_GPR64: "r64"
        case ZYDIS_REGCLASS_X87: "st"
        case ZYDIS_REGCLASS_MMX: "mm"
        case ZYDIS_REGCLASS_XMM: "xmm"
        case ZYDIS_REGCLASS_YMM: "ymm"
        case ZYDIS_REGCLASS_ZMM: "zmm"
        case ZYDIS_REGCLASS_SEGMENT: "sreg"
        case ZYDIS_REGCLASS_CONTROL: "cr"
        case ZYDIS_REGCLASS_DEBUG: "dr"
        case ZYDIS_REGCLASS_MASK: "k"
        default: "reg"
        }
    }
}
