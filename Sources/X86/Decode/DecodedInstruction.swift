import CZydis

/// A register operand.
struct RegisterOperand {
    enum Kind {
        case general
        case xmm
        case ymm
        case segment
        case control
        case debug
        /// MMX, x87, ZMM, mask registers and what else is not lifted.
        case other
    }

    var kind: Kind
    /// Encoding number inside its kind.
    var number: Int
    /// AH, CH, DH, BH (then `number` is that of AX, CX, DX, BX).
    var isHighByte = false
}

/// A memory operand: segment base + base + index * scale + displacement.
struct MemoryOperand {
    /// Slot of the base register; nil when there is none.
    var base: Slot?
    var index: Slot?
    /// 0-3: log2 of the scale.
    var scaleShift: UInt64
    /// RIP-relative operands are resolved: base is nil and this is the absolute address.
    var displacement: UInt64
    /// FS or GS base; nil for the segments whose base is 0 in 64-bit mode.
    var segmentBase: Slot?
}

struct DecodedOperand {
    enum Value {
        case register(RegisterOperand)
        case memory(MemoryOperand)
        case immediate(UInt64)
        case pointer
        case none
    }

    var value: Value
    /// Size in bits.
    var width: Int

    var isMemory: Bool { if case .memory = value { true } else { false } }
    /// An XMM or YMM register.
    var isVector: Bool {
        if case .register(let register) = value { register.kind == .xmm || register.kind == .ymm } else { false }
    }
}

/// One decoded instruction with resolved operands.
struct DecodedInstruction {
    let mnemonic: ZydisMnemonic
    let rip: UInt64
    let length: Int
    let operandWidth: Int
    let addressWidth: Int
    let attributes: UInt64
    let encoding: ZydisInstructionEncoding
    let opcode: UInt8
    let opcodeMap: ZydisOpcodeMap
    let modRM: UInt8
    let segmentOverride: Slot?
    /// Vector length of a VEX instruction in bits (128 or 256), 0 without VEX.
    let vectorWidth: Int
    /// Visible operands first, then the implicit ones.
    let operands: [DecodedOperand]
    let visibleCount: Int

    var nextRIP: UInt64 { rip &+ UInt64(length) }
    func has(_ attribute: UInt64) -> Bool { attributes & attribute != 0 }
}

/// Zydis for 64-bit mode.
struct InstructionDecoder {
    enum Result {
        case instruction(DecodedInstruction)
        /// The bytes end inside of the instruction.
        case truncated
        /// No instruction: #UD.
        case invalid
    }

    private var decoder = ZydisDecoder()

    init(context: LiftContext) {
        ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)
        ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_LZCNT, context.hasLeadingZeroCount ? 1 : 0)
        ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_TZCNT, context.hasBitManipulation ? 1 : 0)
    }

    mutating func decode(_ code: UnsafeRawBufferPointer, rip: UInt64) -> Result {
        var raw = ZydisDecodedInstruction()
        return withUnsafeTemporaryAllocation(of: ZydisDecodedOperand.self, capacity: 10) { buffer in
            guard let start = buffer.baseAddress, let bytes = code.baseAddress else { return .truncated }
            let status = ZydisDecoderDecodeFull(&decoder, bytes, ZyanUSize(code.count), &raw, start)
            guard status & 0x8000_0000 == 0 else {
                // ZYDIS_STATUS_NO_MORE_DATA: module 2, code 0.
                return status & 0x7FFF_FFFF == 0x0020_0000 && code.count < 15 ? .truncated : .invalid
            }
            if raw.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX, Self.knightsCorner.contains(raw.mnemonic) {
                return .invalid
            }
            return .instruction(
                Self.convert(raw, UnsafeBufferPointer(start: start, count: Int(raw.operand_count)), rip))
        }
    }

    /// Scalar instructions that only the coprocessor Knights Corner has with VEX; to all other processors the encodings are undefined.
    private static let knightsCorner: Set<ZydisMnemonic> = [
        ZYDIS_MNEMONIC_TZCNT, ZYDIS_MNEMONIC_LZCNT, ZYDIS_MNEMONIC_POPCNT, ZYDIS_MNEMONIC_TZCNTI,
        ZYDIS_MNEMONIC_DELAY, ZYDIS_MNEMONIC_SPFLT, ZYDIS_MNEMONIC_CLEVICT0, ZYDIS_MNEMONIC_CLEVICT1,
    ]

    private static func convert(
        _ raw: ZydisDecodedInstruction, _ operands: UnsafeBufferPointer<ZydisDecodedOperand>, _ rip: UInt64
    ) -> DecodedInstruction {
        let next = rip &+ UInt64(raw.length)
        var override: Slot?
        if raw.attributes & (1 << 41) != 0 { override = .fsBase }
        if raw.attributes & (1 << 42) != 0 { override = .gsBase }
        return DecodedInstruction(
            mnemonic: raw.mnemonic, rip: rip, length: Int(raw.length), operandWidth: Int(raw.operand_width),
            addressWidth: Int(raw.address_width), attributes: raw.attributes, encoding: raw.encoding,
            opcode: raw.opcode, opcodeMap: raw.opcode_map,
            modRM: raw.raw.modrm.mod << 6 | raw.raw.modrm.reg << 3 | raw.raw.modrm.rm, segmentOverride: override,
            vectorWidth: Int(raw.avx.vector_length),
            operands: operands.map { convert($0, next) }, visibleCount: Int(raw.operand_count_visible))
    }

    private static func convert(_ raw: ZydisDecodedOperand, _ next: UInt64) -> DecodedOperand {
        let width = Int(raw.size)
        switch raw.type {
        case ZYDIS_OPERAND_TYPE_REGISTER:
            return DecodedOperand(value: .register(register(raw.reg.value)), width: width)
        case ZYDIS_OPERAND_TYPE_MEMORY:
            let memory = raw.mem
            var operand = MemoryOperand(
                base: nil, index: nil, scaleShift: 0, displacement: UInt64(bitPattern: memory.disp.value),
                segmentBase: nil)
            if memory.base == ZYDIS_REGISTER_RIP || memory.base == ZYDIS_REGISTER_EIP {
                operand.displacement = next &+ operand.displacement
            } else if memory.base != ZYDIS_REGISTER_NONE {
                operand.base = .general(register(memory.base).number)
            }
            if memory.index != ZYDIS_REGISTER_NONE {
                operand.index = .general(register(memory.index).number)
                operand.scaleShift = UInt64(max(memory.scale, 1).trailingZeroBitCount)
            }
            if memory.segment == ZYDIS_REGISTER_FS { operand.segmentBase = .fsBase }
            if memory.segment == ZYDIS_REGISTER_GS { operand.segmentBase = .gsBase }
            return DecodedOperand(value: .memory(operand), width: width)
        case ZYDIS_OPERAND_TYPE_IMMEDIATE:
            let value = raw.imm.value.u
            return DecodedOperand(
                value: .immediate(raw.imm.is_relative != 0 ? next &+ value : value), width: width)
        case ZYDIS_OPERAND_TYPE_POINTER: return DecodedOperand(value: .pointer, width: width)
        default: return DecodedOperand(value: .none, width: width)
        }
    }

    private static func register(_ raw: ZydisRegister) -> RegisterOperand {
        let number = Int(ZydisRegisterGetId(raw))
        switch ZydisRegisterGetClass(raw) {
        case ZYDIS_REGCLASS_GPR8:
            // AL CL DL BL AH CH DH BH SPL BPL SIL DIL R8B...: Zydis counts them through.
            if number >= 4 && number < 8 {
                return RegisterOperand(kind: .general, number: number - 4, isHighByte: true)
            }
            return RegisterOperand(kind: .general, number: number < 4 ? number : number - 4)
        case ZYDIS_REGCLASS_GPR16, ZYDIS_REGCLASS_GPR32, ZYDIS_REGCLASS_GPR64:
            return RegisterOperand(kind: .general, number: number)
        case ZYDIS_REGCLASS_XMM:
            return RegisterOperand(kind: number < 16 ? .xmm : .other, number: number)
        case ZYDIS_REGCLASS_YMM:
            return RegisterOperand(kind: number < 16 ? .ymm : .other, number: number)
        case ZYDIS_REGCLASS_SEGMENT: return RegisterOperand(kind: .segment, number: number)
        case ZYDIS_REGCLASS_CONTROL: return RegisterOperand(kind: .control, number: number)
        case ZYDIS_REGCLASS_DEBUG: return RegisterOperand(kind: .debug, number: number)
        default: return RegisterOperand(kind: .other, number: number)
        }
    }
}
