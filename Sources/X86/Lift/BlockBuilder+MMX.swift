import CZydis

// MMX: registers are the significands of x87 registers and are read and written through helpers (`readMMX`, `writeMMX`); what
// happens in between are the lane operations of SSE on one 64-bit slot
extension BlockBuilder {
    mutating func liftMMX(_ i: DecodedInstruction) -> Outcome? {
        guard i.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY else { return nil }
        let isConversion = Self.mediaConversions[i.mnemonic] != nil
        let usesRegister = i.operands.prefix(i.visibleCount).contains(where: \.isMMX)
        guard usesRegister || isConversion else { return nil }
        if isConversion, let trap = unitTrap(context.vector) {
            terminate(trap)
            return .lifted
        }
        // CVTPI2PD from memory leaves MMX and x87 alone.
        guard usesRegister || i.mnemonic != ZYDIS_MNEMONIC_CVTPI2PD else { return mediaConversion(i) }
        if let trap = unitTrap(mediaAccess) {
            terminate(trap)
            return .lifted
        }
        helper(.checkMMX, detail: usesRegister ? 0 : MediaCondition.intel)
        if let (operation, width) = Self.mediaPairs[i.mnemonic] { return mediaLanes(i, operation, width) }
        if let (operation, width) = Self.mediaShifts[i.mnemonic] { return mediaShift(i, operation, width) }
        if let outcome = mediaHorizontal(i) { return outcome }
        return mediaOther(i)
    }

    /// Operations on two 64-bit operands.
    private static let mediaPairs: [ZydisMnemonic: (Operation, UInt8)] = [
        ZYDIS_MNEMONIC_PXOR: (.xor, 64), ZYDIS_MNEMONIC_PAND: (.and, 64), ZYDIS_MNEMONIC_POR: (.or, 64),
        ZYDIS_MNEMONIC_PANDN: (.and, 64), ZYDIS_MNEMONIC_PADDB: (.laneAdd, 8), ZYDIS_MNEMONIC_PADDW: (.laneAdd, 16),
        ZYDIS_MNEMONIC_PADDD: (.laneAdd, 32), ZYDIS_MNEMONIC_PADDQ: (.add, 64),
        ZYDIS_MNEMONIC_PSUBB: (.laneSubtract, 8), ZYDIS_MNEMONIC_PSUBW: (.laneSubtract, 16),
        ZYDIS_MNEMONIC_PSUBD: (.laneSubtract, 32), ZYDIS_MNEMONIC_PSUBQ: (.subtract, 64),
        ZYDIS_MNEMONIC_PADDUSB: (.laneAddSaturateUnsigned, 8), ZYDIS_MNEMONIC_PADDUSW: (.laneAddSaturateUnsigned, 16),
        ZYDIS_MNEMONIC_PADDSB: (.laneAddSaturateSigned, 8), ZYDIS_MNEMONIC_PADDSW: (.laneAddSaturateSigned, 16),
        ZYDIS_MNEMONIC_PSUBUSB: (.laneSubtractSaturateUnsigned, 8),
        ZYDIS_MNEMONIC_PSUBUSW: (.laneSubtractSaturateUnsigned, 16),
        ZYDIS_MNEMONIC_PSUBSB: (.laneSubtractSaturateSigned, 8),
        ZYDIS_MNEMONIC_PSUBSW: (.laneSubtractSaturateSigned, 16), ZYDIS_MNEMONIC_PCMPEQB: (.laneEqual, 8),
        ZYDIS_MNEMONIC_PCMPEQW: (.laneEqual, 16), ZYDIS_MNEMONIC_PCMPEQD: (.laneEqual, 32),
        ZYDIS_MNEMONIC_PCMPGTB: (.laneGreaterSigned, 8), ZYDIS_MNEMONIC_PCMPGTW: (.laneGreaterSigned, 16),
        ZYDIS_MNEMONIC_PCMPGTD: (.laneGreaterSigned, 32), ZYDIS_MNEMONIC_PMINUB: (.laneMinimumUnsigned, 8),
        ZYDIS_MNEMONIC_PMAXUB: (.laneMaximumUnsigned, 8), ZYDIS_MNEMONIC_PMINSW: (.laneMinimumSigned, 16),
        ZYDIS_MNEMONIC_PMAXSW: (.laneMaximumSigned, 16), ZYDIS_MNEMONIC_PAVGB: (.laneAverage, 8),
        ZYDIS_MNEMONIC_PAVGW: (.laneAverage, 16), ZYDIS_MNEMONIC_PMULLW: (.laneMultiply, 16),
        ZYDIS_MNEMONIC_PMULHW: (.laneMultiplyHighSigned, 16), ZYDIS_MNEMONIC_PMULHUW: (.laneMultiplyHighUnsigned, 16),
        ZYDIS_MNEMONIC_PACKSSWB: (.packSigned, 16), ZYDIS_MNEMONIC_PACKSSDW: (.packSigned, 32),
        ZYDIS_MNEMONIC_PACKUSWB: (.packUnsigned, 16), ZYDIS_MNEMONIC_PMADDWD: (.laneMultiplyAdd, 16),
        ZYDIS_MNEMONIC_PSADBW: (.sumAbsoluteDifferences, 64), ZYDIS_MNEMONIC_PUNPCKLBW: (.interleaveLow, 8),
        ZYDIS_MNEMONIC_PUNPCKLWD: (.interleaveLow, 16), ZYDIS_MNEMONIC_PUNPCKLDQ: (.interleaveLow, 32),
        ZYDIS_MNEMONIC_PUNPCKHBW: (.interleaveHigh, 8), ZYDIS_MNEMONIC_PUNPCKHWD: (.interleaveHigh, 16),
        ZYDIS_MNEMONIC_PUNPCKHDQ: (.interleaveHigh, 32),
    ]

    private static let mediaShifts: [ZydisMnemonic: (Operation, UInt8)] = [
        ZYDIS_MNEMONIC_PSLLW: (.laneShiftLeft, 16), ZYDIS_MNEMONIC_PSLLD: (.laneShiftLeft, 32),
        ZYDIS_MNEMONIC_PSLLQ: (.shiftLeft, 64), ZYDIS_MNEMONIC_PSRLW: (.laneShiftRight, 16),
        ZYDIS_MNEMONIC_PSRLD: (.laneShiftRight, 32), ZYDIS_MNEMONIC_PSRLQ: (.shiftRight, 64),
        ZYDIS_MNEMONIC_PSRAW: (.laneShiftRightArithmetic, 16), ZYDIS_MNEMONIC_PSRAD: (.laneShiftRightArithmetic, 32),
    ]

    /// A 64-bit source: MMX register or memory.
    mutating func mediaRead(_ i: DecodedInstruction, _ index: Int) -> Value? {
        guard index < i.operands.count else { return nil }
        if case .register(let register) = i.operands[index].value, register.kind == .mmx {
            let result = temporary()
            helper(.readMMX, destination: result, detail: register.number & 7)
            return .slot(result)
        }
        guard case .memory(let memory) = i.operands[index].value else { return nil }
        return zeroExtend(
            UInt8(min(i.operands[index].width, 64)), load(min(i.operands[index].width, 64), address(memory, i)))
    }

    mutating func mediaWrite(_ i: DecodedInstruction, _ value: Value) -> Outcome {
        guard case .register(let register) = i.operands[0].value, register.kind == .mmx else { return .unsupported }
        helper(.writeMMX, a: value, detail: register.number & 7)
        return .lifted
    }

    private mutating func mediaLanes(_ i: DecodedInstruction, _ operation: Operation, _ width: UInt8) -> Outcome {
        guard let a = mediaRead(i, 0), let b = mediaRead(i, 1) else { return .unsupported }
        if i.mnemonic == ZYDIS_MNEMONIC_PANDN { return mediaWrite(i, binary(.and, 64, unary(.not, 64, a), b)) }
        return mediaWrite(i, binary(operation, width, a, b))
    }

    private mutating func mediaShift(_ i: DecodedInstruction, _ operation: Operation, _ width: UInt8) -> Outcome {
        guard let a = mediaRead(i, 0) else { return .unsupported }
        let count: Value
        if case .immediate(let constant) = i.operands[1].value {
            count = .constant(constant & 0xFF)
        } else {
            guard let value = mediaRead(i, 1) else { return .unsupported }
            count = value
        }
        return mediaWrite(i, binary(operation, width, a, count))
    }

    /// PHADD, PHSUB: the even and the odd lanes of both operands against each other.
    private mutating func mediaHorizontal(_ i: DecodedInstruction) -> Outcome? {
        let (operation, isWord): (Operation, Bool)
        switch i.mnemonic {
        case ZYDIS_MNEMONIC_PHADDW: (operation, isWord) = (.laneAdd, true)
        case ZYDIS_MNEMONIC_PHADDD: (operation, isWord) = (.laneAdd, false)
        case ZYDIS_MNEMONIC_PHADDSW: (operation, isWord) = (.laneAddSaturateSigned, true)
        case ZYDIS_MNEMONIC_PHSUBW: (operation, isWord) = (.laneSubtract, true)
        case ZYDIS_MNEMONIC_PHSUBD: (operation, isWord) = (.laneSubtract, false)
        case ZYDIS_MNEMONIC_PHSUBSW: (operation, isWord) = (.laneSubtractSaturateSigned, true)
        default: return nil
        }
        guard let a = mediaRead(i, 0), let b = mediaRead(i, 1) else { return .unsupported }
        // Byte numbers for `shuffleBytes`, lowest first.
        let even: UInt64 = isWord ? 0x0D0C_0908_0504_0100 : 0x0B0A_0908_0302_0100
        let odd: UInt64 = isWord ? 0x0F0E_0B0A_0706_0302 : 0x0F0E_0D0C_0706_0504
        let left = ternary(.shuffleBytes, 64, b, .constant(even), a)
        let right = ternary(.shuffleBytes, 64, b, .constant(odd), a)
        return mediaWrite(i, binary(operation, isWord ? 16 : 32, left, right))
    }

    private mutating func mediaOther(_ i: DecodedInstruction) -> Outcome {
        switch i.mnemonic {
        case ZYDIS_MNEMONIC_MOVQ, ZYDIS_MNEMONIC_MOVD, ZYDIS_MNEMONIC_MOVNTQ: return mediaMove(i)
        case ZYDIS_MNEMONIC_MOVQ2DQ:
            guard let slot = mediaXMM(i, 0), let value = mediaRead(i, 1) else { return .unsupported }
            helper(.enterMMX)
            commit(slot, value)
            commit(slot.high, .zero)
        case ZYDIS_MNEMONIC_MOVDQ2Q:
            guard let slot = mediaXMM(i, 1) else { return .unsupported }
            return mediaWrite(i, .slot(slot))
        case ZYDIS_MNEMONIC_PMULUDQ:
            guard let a = mediaRead(i, 0), let b = mediaRead(i, 1) else { return .unsupported }
            return mediaWrite(i, binary(.multiply, 64, zeroExtend(32, a), zeroExtend(32, b)))
        case ZYDIS_MNEMONIC_PSHUFB:
            guard let a = mediaRead(i, 0), let b = mediaRead(i, 1) else { return .unsupported }
            let control = binary(.and, 64, b, .constant(0x8787_8787_8787_8787))
            return mediaWrite(i, ternary(.shuffleBytes, 64, a, control, a))
        case ZYDIS_MNEMONIC_PSHUFW:
            guard let a = mediaRead(i, 1), case .immediate(let control) = i.operands[2].value else {
                return .unsupported
            }
            var bytes: UInt64 = 0
            for lane in 0..<UInt64(4) {
                let source = (control >> (lane * 2)) & 3
                bytes |= (source * 2 | (source * 2 + 1) << 8) << (lane * 16)
            }
            return mediaWrite(i, ternary(.shuffleBytes, 64, a, .constant(bytes), a))
        case ZYDIS_MNEMONIC_PALIGNR: return mediaAlign(i)
        case ZYDIS_MNEMONIC_PINSRW:
            guard let a = mediaRead(i, 0), let word = read(i, 1), case .immediate(let lane) = i.operands[2].value else {
                return .unsupported
            }
            return mediaWrite(i, insert(16, into: a, word, at: (lane & 3) * 16))
        case ZYDIS_MNEMONIC_PEXTRW:
            guard let a = mediaRead(i, 1), let place = open(i, 0, reads: false),
                case .immediate(let lane) = i.operands[2].value
            else { return .unsupported }
            helper(.enterMMX)
            write(place, unary(.extract, 16, a, immediate: (lane & 3) * 16))
        case ZYDIS_MNEMONIC_PMOVMSKB:
            guard let a = mediaRead(i, 1), let place = open(i, 0, reads: false) else { return .unsupported }
            helper(.enterMMX)
            write(place, unary(.laneSigns, 8, a))
        case ZYDIS_MNEMONIC_MASKMOVQ: return maskedStore(i)
        default: return mediaArithmetic(i)
        }
        return .lifted
    }

    private mutating func mediaMove(_ i: DecodedInstruction) -> Outcome {
        if i.operands[0].isMMX {
            let source: Value?
            if case .register(let register) = i.operands[1].value, register.kind == .general {
                source = zeroExtend(UInt8(i.operands[1].width), readRegister(register))
            } else {
                source = mediaRead(i, 1)
            }
            guard let source else { return .unsupported }
            return mediaWrite(i, source)
        }
        guard let value = mediaRead(i, 1), let place = open(i, 0, reads: false) else { return .unsupported }
        write(place, value)
        helper(.enterMMX)
        return .lifted
    }

    /// PALIGNR: 8 bytes of the 16-byte value (first, second operand) from the byte that the immediate names.
    private mutating func mediaAlign(_ i: DecodedInstruction) -> Outcome {
        guard let a = mediaRead(i, 0), let b = mediaRead(i, 1), case .immediate(let raw) = i.operands[2].value else {
            return .unsupported
        }
        let count = (raw & 0xFF) * 8
        let low = binary(.shiftRight, 64, b, .constant(count))
        let high =
            count > 64
            ? binary(.shiftRight, 64, a, .constant(count - 64)) : binary(.shiftLeft, 64, a, .constant(64 - count))
        return mediaWrite(i, count > 64 ? high : count == 0 ? b : binary(.or, 64, low, high))
    }

    /// PABS, PSIGN, PMADDUBSW, PMULHRSW from simpler lane operations.
    private mutating func mediaArithmetic(_ i: DecodedInstruction) -> Outcome {
        let width: UInt8
        switch i.mnemonic {
        case ZYDIS_MNEMONIC_PABSB, ZYDIS_MNEMONIC_PSIGNB: width = 8
        case ZYDIS_MNEMONIC_PABSD, ZYDIS_MNEMONIC_PSIGND: width = 32
        default: width = 16
        }
        switch i.mnemonic {
        case ZYDIS_MNEMONIC_PABSB, ZYDIS_MNEMONIC_PABSW, ZYDIS_MNEMONIC_PABSD:
            guard let a = mediaRead(i, 1) else { return .unsupported }
            let isNegative = binary(.laneGreaterSigned, width, .zero, a)
            return mediaWrite(i, binary(.laneSubtract, width, binary(.xor, 64, a, isNegative), isNegative))
        case ZYDIS_MNEMONIC_PSIGNB, ZYDIS_MNEMONIC_PSIGNW, ZYDIS_MNEMONIC_PSIGND:
            guard let a = mediaRead(i, 0), let b = mediaRead(i, 1) else { return .unsupported }
            let isNegative = binary(.laneGreaterSigned, width, .zero, b)
            let negated = binary(.laneSubtract, width, binary(.xor, 64, a, isNegative), isNegative)
            let isZero = binary(.laneEqual, width, b, .zero)
            return mediaWrite(i, binary(.and, 64, negated, unary(.not, 64, isZero)))
        case ZYDIS_MNEMONIC_PMADDUBSW:
            guard let a = mediaRead(i, 0), let b = mediaRead(i, 1) else { return .unsupported }
            let even = binary(
                .laneMultiply, 16, binary(.and, 64, a, .constant(0x00FF_00FF_00FF_00FF)),
                binary(.laneShiftRightArithmetic, 16, binary(.laneShiftLeft, 16, b, .constant(8)), .constant(8)))
            let odd = binary(
                .laneMultiply, 16, binary(.laneShiftRight, 16, a, .constant(8)),
                binary(.laneShiftRightArithmetic, 16, b, .constant(8)))
            return mediaWrite(i, binary(.laneAddSaturateSigned, 16, even, odd))
        case ZYDIS_MNEMONIC_PMULHRSW:
            guard let a = mediaRead(i, 0), let b = mediaRead(i, 1) else { return .unsupported }
            // ((a * b >> 14) + 1) >> 1: bits 15 and up of the product, plus bit 14.
            let high = binary(.laneShiftLeft, 16, binary(.laneMultiplyHighSigned, 16, a, b), .constant(1))
            let low = binary(.laneMultiply, 16, a, b)
            let upper = binary(.or, 64, high, binary(.laneShiftRight, 16, low, .constant(15)))
            let bit = binary(
                .and, 64, binary(.laneShiftRight, 16, low, .constant(14)), .constant(0x0001_0001_0001_0001))
            return mediaWrite(i, binary(.laneAdd, 16, upper, bit))
        default: return mediaConversion(i)
        }
    }

    /// MASKMOVQ: bytes whose mask bit is set go to the address in RDI. All eight bytes are checked for writing.
    private mutating func maskedStore(_ i: DecodedInstruction) -> Outcome {
        guard let value = mediaRead(i, 0), let mask = mediaRead(i, 1) else { return .unsupported }
        let place = implicitAddress(.rdi, i, segment: Self.dataSegment(i), byteCount: 8, isWrite: true)
        let old = load(64, place, forStore: true)
        let chosen = binary(.laneGreaterSigned, 8, .zero, mask)
        let merged = binary(
            .or, 64, binary(.and, 64, value, chosen), binary(.and, 64, old, unary(.not, 64, chosen)))
        store(64, place, merged)
        helper(.enterMMX)
        return .lifted
    }
}
