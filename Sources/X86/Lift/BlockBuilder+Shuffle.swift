import CZydis

// Packs, unpacks, shuffles inside of 128-bit lanes, whole-register shifts, element access, tests
extension BlockBuilder {
    mutating func liftShuffle(_ i: DecodedInstruction, _ name: ZydisMnemonic) -> Outcome? {
        switch name {
        case ZYDIS_MNEMONIC_PANDN, ZYDIS_MNEMONIC_ANDNPS, ZYDIS_MNEMONIC_ANDNPD:
            return dyadic(i) { $0.binary(.and, 64, $0.unary(.not, 64, $1), $2) }
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
        case ZYDIS_MNEMONIC_PSHUFD: return shuffleElements(i)
        case ZYDIS_MNEMONIC_SHUFPS: return shuffleSingles(i)
        case ZYDIS_MNEMONIC_SHUFPD: return shuffleDoubles(i)
        case ZYDIS_MNEMONIC_PSHUFLW: return shuffleWords(i, half: 0)
        case ZYDIS_MNEMONIC_PSHUFHW: return shuffleWords(i, half: 1)
        case ZYDIS_MNEMONIC_PSHUFB:
            return dyadicLanes(i) { builder, a, b in [builder.bytes(of: a, by: b[0]), builder.bytes(of: a, by: b[1])] }
        case ZYDIS_MNEMONIC_PALIGNR: return align(i)
        case ZYDIS_MNEMONIC_PSLLDQ: return shiftWhole(i, isLeft: true)
        case ZYDIS_MNEMONIC_PSRLDQ: return shiftWhole(i, isLeft: false)
        case ZYDIS_MNEMONIC_PINSRB: return insertElement(i, 8)
        case ZYDIS_MNEMONIC_PINSRW: return insertElement(i, 16)
        case ZYDIS_MNEMONIC_PINSRD: return insertElement(i, 32)
        case ZYDIS_MNEMONIC_PINSRQ: return insertElement(i, 64)
        case ZYDIS_MNEMONIC_INSERTPS: return insertSingle(i)
        case ZYDIS_MNEMONIC_PEXTRB: return extractElement(i, 8)
        case ZYDIS_MNEMONIC_PEXTRW: return extractElement(i, 16)
        case ZYDIS_MNEMONIC_PEXTRD, ZYDIS_MNEMONIC_EXTRACTPS: return extractElement(i, 32)
        case ZYDIS_MNEMONIC_PEXTRQ: return extractElement(i, 64)
        case ZYDIS_MNEMONIC_PTEST: return testVector(i, mask: ~0)
        case ZYDIS_MNEMONIC_VTESTPS: return testVector(i, mask: 0x8000_0000_8000_0000)
        case ZYDIS_MNEMONIC_VTESTPD: return testVector(i, mask: 1 << 63)
        default: return nil
        }
    }

    /// The bytes of a 128-bit value that one word of selectors picks (PSHUFB).
    mutating func bytes(of source: Words, by selectors: Value) -> Value {
        ternary(.shuffleBytes, 8, source[1], selectors, source[0])
    }

    private mutating func pack(_ i: DecodedInstruction, _ operation: Operation, _ width: UInt8) -> Outcome {
        dyadicLanes(i) { builder, a, b in
            [builder.binary(operation, width, a[0], a[1]), builder.binary(operation, width, b[0], b[1])]
        }
    }

    private mutating func unpack(_ i: DecodedInstruction, _ width: UInt8, isHigh: Bool) -> Outcome {
        dyadicLanes(i) { builder, a, b in
            let x = a[isHigh ? 1 : 0]
            let y = b[isHigh ? 1 : 0]
            if width == 64 { return [x, y] }
            return [builder.binary(.interleaveLow, width, x, y), builder.binary(.interleaveHigh, width, x, y)]
        }
    }

    /// 32-bit element `index` (0-3) of a 128-bit value.
    mutating func element(_ lane: Words, _ index: UInt64) -> Value {
        unary(.extract, 32, lane[index & 2 == 0 ? 0 : 1], immediate: (index & 1) * 32)
    }

    mutating func joined(_ low: Value, _ high: Value) -> Value { insert(32, into: low, high, at: 32) }

    /// Four elements of one source, by two bits each: PSHUFD, and VPERMILPS with an immediate.
    mutating func shuffleElements(_ i: DecodedInstruction) -> Outcome {
        guard let control = byteImmediate(i, 2) else { return .unsupported }
        return monadicLanes(i) { builder, a in
            let elements = (0..<4).map { builder.element(a, (control >> ($0 * 2)) & 3) }
            return [builder.joined(elements[0], elements[1]), builder.joined(elements[2], elements[3])]
        }
    }

    private mutating func shuffleSingles(_ i: DecodedInstruction) -> Outcome {
        guard let control = byteImmediate(i, firstSource(i) + 2) else { return .unsupported }
        return dyadicLanes(i) { builder, a, b in
            let elements = (0..<4).map { builder.element($0 < 2 ? a : b, (control >> ($0 * 2)) & 3) }
            return [builder.joined(elements[0], elements[1]), builder.joined(elements[2], elements[3])]
        }
    }

    private mutating func shuffleDoubles(_ i: DecodedInstruction) -> Outcome {
        guard var control = byteImmediate(i, firstSource(i) + 2) else { return .unsupported }
        return dyadicLanes(i) { _, a, b in
            defer { control >>= 2 }
            return [a[control & 1 == 0 ? 0 : 1], b[control & 2 == 0 ? 0 : 1]]
        }
    }

    private mutating func shuffleWords(_ i: DecodedInstruction, half: Int) -> Outcome {
        guard let control = byteImmediate(i, 2) else { return .unsupported }
        return monadicLanes(i) { builder, a in
            var value: Value = .zero
            for lane: UInt64 in 0..<4 {
                let word = builder.unary(.extract, 16, a[half], immediate: ((control >> (lane * 2)) & 3) * 16)
                value = lane == 0 ? word : builder.insert(16, into: value, word, at: lane * 16)
            }
            return half == 1 ? [a[0], value] : [value, a[1]]
        }
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
        guard let count = byteImmediate(i, firstSource(i) + 2) else { return .unsupported }
        return dyadicLanes(i) { builder, a, b in
            [builder.window(b + a, count * 8), builder.window(b + a, count * 8 + 64)]
        }
    }

    private mutating func shiftWhole(_ i: DecodedInstruction, isLeft: Bool) -> Outcome {
        let first = firstSource(i)
        guard let slot = vectorSlot(i, 0), let a = readWords(i, first), let count = byteImmediate(i, first + 1) else {
            return .unsupported
        }
        let bits = min(count, 16) * 8
        let start = isLeft ? 128 - bits : bits
        var result: Words = []
        for lane in stride(from: 0, to: a.count, by: 2) {
            let words = (isLeft ? [.zero, .zero] : []) + a[lane..<lane + 2]
            result += [window(words, start), window(words, start + 64)]
        }
        commitWords(i, slot, result)
        return .lifted
    }

    private mutating func insertElement(_ i: DecodedInstruction, _ width: UInt8) -> Outcome {
        let first = firstSource(i)
        guard let slot = vectorSlot(i, 0), var words = readWords(i, first), let value = read(i, first + 1),
            let control = byteImmediate(i, first + 2)
        else { return .unsupported }
        let position = (control & (128 / UInt64(width) - 1)) * UInt64(width)
        let word = Int(position / 64)
        words[word] = insert(width, into: words[word], value, at: position % 64)
        commitWords(i, slot, words)
        return .lifted
    }

    /// INSERTPS: source element in bits 6-7 (registers only), destination element in bits 4-5, elements to clear in bits 0-3.
    private mutating func insertSingle(_ i: DecodedInstruction) -> Outcome {
        let first = firstSource(i)
        guard let slot = vectorSlot(i, 0), let a = readWords(i, first), let control = byteImmediate(i, first + 2) else {
            return .unsupported
        }
        let isMemory = i.operands[first + 1].isMemory
        guard let b = readWords(i, first + 1, bits: isMemory ? 32 : 128) else { return .unsupported }
        var elements = (0..<4).map { element(a, $0) }
        elements[Int((control >> 4) & 3)] = isMemory ? b[0] : element(b, control >> 6)
        for index in 0..<4 where control & (1 << UInt64(index)) != 0 { elements[index] = .zero }
        commitWords(i, slot, [joined(elements[0], elements[1]), joined(elements[2], elements[3])])
        return .lifted
    }

    private mutating func extractElement(_ i: DecodedInstruction, _ width: UInt8) -> Outcome {
        guard let slot = vectorSlot(i, 1), let place = open(i, 0, reads: false), let control = byteImmediate(i, 2)
        else {
            return .unsupported
        }
        let position = (control & (128 / UInt64(width) - 1)) * UInt64(width)
        write(place, unary(.extract, width, .slot(position < 64 ? slot : slot.high), immediate: position % 64))
        return .lifted
    }

    /// ZF: a & b is zero under the mask, CF: ~a & b is.
    private mutating func testVector(_ i: DecodedInstruction, mask: UInt64) -> Outcome {
        guard let a = readWords(i, 0), let b = readWords(i, 1) else { return .unsupported }
        var both: Value = .zero
        var rest: Value = .zero
        for (index, (x, y)) in zip(a, b).enumerated() {
            let first = binary(.and, 64, x, y)
            let second = binary(.and, 64, unary(.not, 64, x), y)
            both = index == 0 ? first : binary(.or, 64, both, first)
            rest = index == 0 ? second : binary(.or, 64, rest, second)
        }
        if mask != ~0 {
            both = binary(.and, 64, both, .constant(mask))
            rest = binary(.and, 64, rest, .constant(mask))
        }
        for flag in [Slot.pf, .af, .sf, .of] { setFlag(flag, .zero) }
        setFlag(.zf, binary(.equal, 64, both, .zero))
        setFlag(.cf, binary(.equal, 64, rest, .zero))
        pendingFlags = FlagSource.none
        return .lifted
    }
}
