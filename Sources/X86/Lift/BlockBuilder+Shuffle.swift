import CZydis

// Packs, unpacks, shuffles, whole-register shifts, element access
extension BlockBuilder {
    mutating func liftShuffle(_ i: DecodedInstruction) -> Outcome? {
        switch i.mnemonic {
        case ZYDIS_MNEMONIC_PANDN, ZYDIS_MNEMONIC_ANDNPS, ZYDIS_MNEMONIC_ANDNPD: return andNotVector(i)
        case ZYDIS_MNEMONIC_PACKSSWB: return pack(i, .packSigned, 16)
        case ZYDIS_MNEMONIC_PACKSSDW: return pack(i, .packSigned, 32)
        case ZYDIS_MNEMONIC_PACKUSWB: return pack(i, .packUnsigned, 16)
        case ZYDIS_MNEMONIC_PACKUSDW: return pack(i, .packUnsigned, 32)
        case ZYDIS_MNEMONIC_PUNPCKLBW: return unpack(i, 8, isHigh: false)
        case ZYDIS_MNEMONIC_PUNPCKLWD: return unpack(i, 16, isHigh: false)
        case ZYDIS_MNEMONIC_PUNPCKLDQ, ZYDIS_MNEMONIC_UNPCKLPS: return unpack(i, 32, isHigh: false)
        case ZYDIS_MNEMONIC_PUNPCKLQDQ, ZYDIS_MNEMONIC_UNPCKLPD: return unpack(i, 64, isHigh: false)
        case ZYDIS_MNEMONIC_PUNPCKHBW: return unpack(i, 8, isHigh: true)
        case ZYDIS_MNEMONIC_PUNPCKHWD: return unpack(i, 16, isHigh: true)
        case ZYDIS_MNEMONIC_PUNPCKHDQ, ZYDIS_MNEMONIC_UNPCKHPS: return unpack(i, 32, isHigh: true)
        case ZYDIS_MNEMONIC_PUNPCKHQDQ, ZYDIS_MNEMONIC_UNPCKHPD: return unpack(i, 64, isHigh: true)
        case ZYDIS_MNEMONIC_PSHUFD: return shuffle(i, fromSource: 4)
        case ZYDIS_MNEMONIC_SHUFPS: return shuffle(i, fromSource: 2)
        case ZYDIS_MNEMONIC_SHUFPD: return shuffleDoubles(i)
        case ZYDIS_MNEMONIC_PSHUFLW: return shuffleWords(i, isHigh: false)
        case ZYDIS_MNEMONIC_PSHUFHW: return shuffleWords(i, isHigh: true)
        case ZYDIS_MNEMONIC_PSHUFB: return shuffleBytes(i)
        case ZYDIS_MNEMONIC_PALIGNR: return align(i)
        case ZYDIS_MNEMONIC_PSLLDQ: return shiftWhole(i, isLeft: true)
        case ZYDIS_MNEMONIC_PSRLDQ: return shiftWhole(i, isLeft: false)
        case ZYDIS_MNEMONIC_PINSRB: return insertElement(i, 8)
        case ZYDIS_MNEMONIC_PINSRW: return insertElement(i, 16)
        case ZYDIS_MNEMONIC_PINSRD: return insertElement(i, 32)
        case ZYDIS_MNEMONIC_PINSRQ: return insertElement(i, 64)
        case ZYDIS_MNEMONIC_PEXTRB: return extractElement(i, 8)
        case ZYDIS_MNEMONIC_PEXTRW: return extractElement(i, 16)
        case ZYDIS_MNEMONIC_PEXTRD, ZYDIS_MNEMONIC_EXTRACTPS: return extractElement(i, 32)
        case ZYDIS_MNEMONIC_PEXTRQ: return extractElement(i, 64)
        case ZYDIS_MNEMONIC_PMULUDQ: return wideMultiply(i, isSigned: false)
        case ZYDIS_MNEMONIC_PMULDQ: return wideMultiply(i, isSigned: true)
        case ZYDIS_MNEMONIC_PTEST: return testVector(i)
        default: return nil
        }
    }

    private func immediate(_ i: DecodedInstruction, _ index: Int) -> UInt64? {
        guard index < i.operands.count, case .immediate(let value) = i.operands[index].value else { return nil }
        return value & 0xFF
    }

    private mutating func andNotVector(_ i: DecodedInstruction) -> Outcome {
        guard let slot = vectorSlot(i, 0), let b = readVector(i, 1) else { return .unsupported }
        let low = binary(.and, 64, unary(.not, 64, .slot(slot)), b.low)
        let high = binary(.and, 64, unary(.not, 64, .slot(slot.high)), b.high)
        commitVector(slot, Vector(low: low, high: high))
        return .lifted
    }

    private mutating func pack(_ i: DecodedInstruction, _ operation: Operation, _ width: UInt8) -> Outcome {
        guard let slot = vectorSlot(i, 0), let b = readVector(i, 1) else { return .unsupported }
        let low = binary(operation, width, .slot(slot), .slot(slot.high))
        commitVector(slot, Vector(low: low, high: binary(operation, width, b.low, b.high)))
        return .lifted
    }

    private mutating func unpack(_ i: DecodedInstruction, _ width: UInt8, isHigh: Bool) -> Outcome {
        guard let slot = vectorSlot(i, 0), let source = readVector(i, 1) else { return .unsupported }
        let a: Value = .slot(isHigh ? slot.high : slot)
        let b = isHigh ? source.high : source.low
        if width == 64 {
            commitVector(slot, Vector(low: a, high: b))
        } else {
            commitVector(
                slot,
                Vector(low: binary(.interleaveLow, width, a, b), high: binary(.interleaveHigh, width, a, b)))
        }
        return .lifted
    }

    /// 32-bit element `index` of a vector.
    private mutating func element(_ vector: Vector, _ index: UInt64) -> Value {
        unary(.extract, 32, index < 2 ? vector.low : vector.high, immediate: (index & 1) * 32)
    }

    /// PSHUFD takes all four elements from the source, SHUFPS the lower two from the destination.
    private mutating func shuffle(_ i: DecodedInstruction, fromSource: Int) -> Outcome {
        guard let slot = vectorSlot(i, 0), let b = readVector(i, 1), let control = immediate(i, 2) else {
            return .unsupported
        }
        let a = fromSource == 4 ? b : Vector(low: .slot(slot), high: .slot(slot.high))
        let first = element(a, control & 3)
        let second = element(a, (control >> 2) & 3)
        let third = element(b, (control >> 4) & 3)
        let fourth = element(b, (control >> 6) & 3)
        commitVector(
            slot, Vector(low: insert(32, into: first, second, at: 32), high: insert(32, into: third, fourth, at: 32)))
        return .lifted
    }

    private mutating func shuffleDoubles(_ i: DecodedInstruction) -> Outcome {
        guard let slot = vectorSlot(i, 0), let b = readVector(i, 1), let control = immediate(i, 2) else {
            return .unsupported
        }
        commitVector(
            slot, Vector(low: .slot(control & 1 == 0 ? slot : slot.high), high: control & 2 == 0 ? b.low : b.high))
        return .lifted
    }

    private mutating func shuffleWords(_ i: DecodedInstruction, isHigh: Bool) -> Outcome {
        guard let slot = vectorSlot(i, 0), let b = readVector(i, 1), let control = immediate(i, 2) else {
            return .unsupported
        }
        let half = isHigh ? b.high : b.low
        var value: Value = .zero
        for lane: UInt64 in 0..<4 {
            let word = unary(.extract, 16, half, immediate: ((control >> (lane * 2)) & 3) * 16)
            value = lane == 0 ? word : insert(16, into: value, word, at: lane * 16)
        }
        commitVector(slot, isHigh ? Vector(low: b.low, high: value) : Vector(low: value, high: b.high))
        return .lifted
    }

    private mutating func shuffleBytes(_ i: DecodedInstruction) -> Outcome {
        guard let slot = vectorSlot(i, 0), let b = readVector(i, 1) else { return .unsupported }
        let low = ternary(.shuffleBytes, 8, .slot(slot.high), b.low, .slot(slot))
        let high = ternary(.shuffleBytes, 8, .slot(slot.high), b.high, .slot(slot))
        commitVector(slot, Vector(low: low, high: high))
        return .lifted
    }

    /// Bits [shift, shift + 64) of the words, where what lies beyond them is zero.
    private mutating func window(_ words: [Value], _ shift: UInt64) -> Value {
        let index = Int(shift / 64)
        let bits = shift % 64
        let low = index < words.count ? words[index] : .zero
        guard bits != 0 else { return low }
        let high = index + 1 < words.count ? words[index + 1] : .zero
        return binary(
            .or, 64, binary(.shiftRight, 64, low, .constant(bits)),
            binary(.shiftLeft, 64, high, .constant(64 - bits)))
    }

    private mutating func align(_ i: DecodedInstruction) -> Outcome {
        guard let slot = vectorSlot(i, 0), let b = readVector(i, 1), let count = immediate(i, 2) else {
            return .unsupported
        }
        let words = [b.low, b.high, .slot(slot), .slot(slot.high)]
        commitVector(slot, Vector(low: window(words, count * 8), high: window(words, count * 8 + 64)))
        return .lifted
    }

    private mutating func shiftWhole(_ i: DecodedInstruction, isLeft: Bool) -> Outcome {
        guard let slot = vectorSlot(i, 0), let count = immediate(i, 1) else { return .unsupported }
        let bits = min(count, 16) * 8
        let words: [Value] =
            isLeft ? [.zero, .zero, .slot(slot), .slot(slot.high)] : [.slot(slot), .slot(slot.high)]
        let start = isLeft ? 128 - bits : bits
        commitVector(slot, Vector(low: window(words, start), high: window(words, start + 64)))
        return .lifted
    }

    private mutating func insertElement(_ i: DecodedInstruction, _ width: UInt8) -> Outcome {
        guard let slot = vectorSlot(i, 0), let value = read(i, 1), let control = immediate(i, 2) else {
            return .unsupported
        }
        let index = control & (128 / UInt64(width) - 1)
        let perHalf = 64 / UInt64(width)
        let half = index < perHalf ? slot : slot.high
        commit(half, insert(width, into: .slot(half), value, at: index % perHalf * UInt64(width)))
        return .lifted
    }

    private mutating func extractElement(_ i: DecodedInstruction, _ width: UInt8) -> Outcome {
        guard let slot = vectorSlot(i, 1), let place = open(i, 0, reads: false), let control = immediate(i, 2) else {
            return .unsupported
        }
        let index = control & (128 / UInt64(width) - 1)
        let perHalf = 64 / UInt64(width)
        let half = index < perHalf ? slot : slot.high
        write(place, unary(.extract, width, .slot(half), immediate: index % perHalf * UInt64(width)))
        return .lifted
    }

    private mutating func wideMultiply(_ i: DecodedInstruction, isSigned: Bool) -> Outcome {
        guard let slot = vectorSlot(i, 0), let b = readVector(i, 1) else { return .unsupported }
        var halves: [Value] = []
        for (left, right) in [(Value.slot(slot), b.low), (.slot(slot.high), b.high)] {
            let x = isSigned ? signExtend(32, left, to: 64) : zeroExtend(32, left)
            let y = isSigned ? signExtend(32, right, to: 64) : zeroExtend(32, right)
            halves.append(binary(.multiply, 64, x, y))
        }
        commitVector(slot, Vector(low: halves[0], high: halves[1]))
        return .lifted
    }

    private mutating func testVector(_ i: DecodedInstruction) -> Outcome {
        guard let slot = vectorSlot(i, 0), let b = readVector(i, 1) else { return .unsupported }
        let both = binary(
            .or, 64, binary(.and, 64, .slot(slot), b.low), binary(.and, 64, .slot(slot.high), b.high))
        let rest = binary(
            .or, 64, binary(.and, 64, unary(.not, 64, .slot(slot)), b.low),
            binary(.and, 64, unary(.not, 64, .slot(slot.high)), b.high))
        for flag in [Slot.pf, .af, .sf, .of] { setFlag(flag, .zero) }
        setFlag(.zf, binary(.equal, 64, both, .zero))
        setFlag(.cf, binary(.equal, 64, rest, .zero))
        pendingFlags = FlagSource.none
        return .lifted
    }
}
