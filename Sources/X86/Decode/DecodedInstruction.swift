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
        case mmx
        /// x87, ZMM, mask registers and what else is not lifted.
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
    /// Number of the segment register, defaults and overrides applied; see `SegmentNumber`.
    var segment: Int = SegmentNumber.ds
    /// The instruction may write the operand.
    var isWritten = false
    /// Bytes that the instruction accesses there.
    var byteCount = 1
}

/// Segment registers by their encoding numbers.
enum SegmentNumber {
    static let es = 0
    static let cs = 1
    static let ss = 2
    static let ds = 3
    static let fs = 4
    static let gs = 5
}

struct DecodedOperand {
    enum Value {
        case register(RegisterOperand)
        case memory(MemoryOperand)
        case immediate(UInt64)
        /// Selector and offset in the instruction itself (legacy modes).
        case pointer(selector: UInt16, offset: UInt32)
        case none
    }

    var value: Value
    /// Size in bits.
    var width: Int

    var isMemory: Bool { if case .memory = value { true } else { false } }
    var isMMX: Bool {
        if case .register(let register) = value { register.kind == .mmx } else { false }
    }
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
    /// Number of the segment that a prefix names, whether or not the mode ignores it.
    let segmentPrefix: Int?
    /// Ones where the instruction pointer of the code's mode has bits.
    let pointerMask: UInt64
    /// Vector length of a VEX instruction in bits (128 or 256), 0 without VEX.
    let vectorWidth: Int
    /// Visible operands first, then the implicit ones.
    let operands: [DecodedOperand]
    let visibleCount: Int

    var nextRIP: UInt64 { (rip &+ UInt64(length)) & pointerMask }
    func has(_ attribute: UInt64) -> Bool { attributes & attribute != 0 }
}

/// Zydis for the mode of a lift context.
struct InstructionDecoder {
    enum Result {
        case instruction(DecodedInstruction)
        /// The bytes end inside of the instruction.
        case truncated
        /// No instruction: #UD.
        case invalid
        /// More than 15 bytes: #GP.
        case tooLong
    }

    var decoder = ZydisDecoder()
    private let isLong: Bool

    init(context: LiftContext) {
        isLong = context.mode == .long
        let stack = context.hasWideStack ? ZYDIS_STACK_WIDTH_32 : ZYDIS_STACK_WIDTH_16
        switch context.mode {
        case .long: ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)
        case .code32:
            ZydisDecoderInit(
                &decoder, context.isCompatibility ? ZYDIS_MACHINE_MODE_LONG_COMPAT_32 : ZYDIS_MACHINE_MODE_LEGACY_32,
                stack)
        case .code16:
            ZydisDecoderInit(
                &decoder,
                context.isReal
                    ? ZYDIS_MACHINE_MODE_REAL_16
                    : context.isCompatibility ? ZYDIS_MACHINE_MODE_LONG_COMPAT_16 : ZYDIS_MACHINE_MODE_LEGACY_16,
                stack)
        }
        ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_LZCNT, context.hasLeadingZeroCount ? 1 : 0)
        ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_TZCNT, context.hasBitManipulation ? 1 : 0)
        // WBNOINVD is a WBINVD.
        ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_WBNOINVD, 0)
        // MPX and CET are switched off: their hint encodings are NOPs then.
        ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_MPX, 0)
        ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_CET, 0)
    }

    mutating func decode(_ code: UnsafeRawBufferPointer, rip: UInt64) -> Result {
        var raw = ZydisDecodedInstruction()
        return withUnsafeTemporaryAllocation(of: ZydisDecodedOperand.self, capacity: 10) { buffer in
            guard let start = buffer.baseAddress, let bytes = code.baseAddress else { return .truncated }
            let status = ZydisDecoderDecodeFull(&decoder, bytes, ZyanUSize(code.count), &raw, start)
            guard status & 0x8000_0000 == 0 else {
                // ZYDIS_STATUS_NO_MORE_DATA: module 2, code 0; ZYDIS_STATUS_INSTRUCTION_TOO_LONG: code 2.
                if status & 0x7FFF_FFFF == 0x0020_0002 { return .tooLong }
                return status & 0x7FFF_FFFF == 0x0020_0000 && code.count < 15 ? .truncated : .invalid
            }
            if raw.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX, Self.knightsCorner.contains(raw.mnemonic) {
                return .invalid
            }
            return .instruction(
                Self.convert(
                    raw, UnsafeBufferPointer(start: start, count: Int(raw.operand_count)), rip, isLong: isLong))
        }
    }

    /// Scalar instructions that only the coprocessor Knights Corner has with VEX; to all other processors the encodings are undefined.
    private static let knightsCorner: Set<ZydisMnemonic> = [
        ZYDIS_MNEMONIC_TZCNT, ZYDIS_MNEMONIC_LZCNT, ZYDIS_MNEMONIC_POPCNT, ZYDIS_MNEMONIC_TZCNTI,
        ZYDIS_MNEMONIC_DELAY, ZYDIS_MNEMONIC_SPFLT, ZYDIS_MNEMONIC_CLEVICT0, ZYDIS_MNEMONIC_CLEVICT1,
    ]

    private static func convert(
        _ raw: ZydisDecodedInstruction, _ operands: UnsafeBufferPointer<ZydisDecodedOperand>, _ rip: UInt64,
        isLong: Bool
    ) -> DecodedInstruction {
        let mask: UInt64 = isLong ? ~0 : 0xFFFF_FFFF
        let next = (rip &+ UInt64(raw.length)) & mask
        // A near branch keeps as many bits of its target as its operand size has.
        let targetMask = isLong ? mask : raw.operand_width == 16 ? 0xFFFF : mask
        var override: Slot?
        if raw.attributes & (1 << 41) != 0 { override = .fsBase }
        if raw.attributes & (1 << 42) != 0 { override = .gsBase }
        // ZYDIS_ATTRIB_HAS_SEGMENT_CS, SS, DS, ES, FS, GS.
        let prefixes = [(37, 1), (38, 2), (39, 3), (40, 0), (41, 4), (42, 5)]
        let prefix = prefixes.first { raw.attributes & (1 << UInt64($0.0)) != 0 }?.1
        return DecodedInstruction(
            mnemonic: raw.mnemonic, rip: rip, length: Int(raw.length), operandWidth: Int(raw.operand_width),
            addressWidth: Int(raw.address_width), attributes: raw.attributes, encoding: raw.encoding,
            opcode: raw.opcode, opcodeMap: raw.opcode_map,
            modRM: raw.raw.modrm.mod << 6 | raw.raw.modrm.reg << 3 | raw.raw.modrm.rm, segmentOverride: override,
            segmentPrefix: prefix, pointerMask: mask, vectorWidth: Int(raw.avx.vector_length),
            operands: operands.map { convert($0, next, targetMask) }, visibleCount: Int(raw.operand_count_visible))
    }

    private static func convert(
        _ raw: ZydisDecodedOperand, _ next: UInt64, _ targetMask: UInt64
    ) -> DecodedOperand {
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
            if memory.segment != ZYDIS_REGISTER_NONE { operand.segment = register(memory.segment).number }
            // ZYDIS_OPERAND_ACTION_WRITE, CONDWRITE.
            operand.isWritten = raw.actions & 0xA != 0
            operand.byteCount = max(width / 8, 1)
            return DecodedOperand(value: .memory(operand), width: width)
        case ZYDIS_OPERAND_TYPE_IMMEDIATE:
            let value = raw.imm.value.u
            return DecodedOperand(
                value: .immediate(raw.imm.is_relative != 0 ? (next &+ value) & targetMask : value), width: width)
        case ZYDIS_OPERAND_TYPE_POINTER:
            return DecodedOperand(value: .pointer(selector: raw.ptr.segment, offset: raw.ptr.offset), width: width)
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
        case ZYDIS_REGCLASS_MMX: return RegisterOperand(kind: .mmx, number: number)
        case ZYDIS_REGCLASS_YMM:
            return RegisterOperand(kind: number < 16 ? .ymm : .other, number: number)
        case ZYDIS_REGCLASS_SEGMENT: return RegisterOperand(kind: .segment, number: number)
        case ZYDIS_REGCLASS_CONTROL: return RegisterOperand(kind: .control, number: number)
        case ZYDIS_REGCLASS_DEBUG: return RegisterOperand(kind: .debug, number: number)
        default: return RegisterOperand(kind: .other, number: number)
        }
    }
}
