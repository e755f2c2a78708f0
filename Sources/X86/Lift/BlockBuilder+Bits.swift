import CZydis

// BT family, bit scans and counts, BMI1, BMI2, CRC32
extension BlockBuilder {
    mutating func liftBits(_ i: DecodedInstruction) -> Outcome? {
        switch i.mnemonic {
        case ZYDIS_MNEMONIC_BT: bitTest(i, nil)
        case ZYDIS_MNEMONIC_BTS: bitTest(i, .or)
        case ZYDIS_MNEMONIC_BTR: bitTest(i, .and)
        case ZYDIS_MNEMONIC_BTC: bitTest(i, .xor)
        case ZYDIS_MNEMONIC_BSF: bitScan(i, isForward: true)
        case ZYDIS_MNEMONIC_BSR: bitScan(i, isForward: false)
        case ZYDIS_MNEMONIC_LZCNT: zeroCount(i, .countLeadingZeros)
        case ZYDIS_MNEMONIC_TZCNT: zeroCount(i, .countTrailingZeros)
        case ZYDIS_MNEMONIC_POPCNT: population(i)
        case ZYDIS_MNEMONIC_ANDN: andNot(i)
        case ZYDIS_MNEMONIC_BLSI, ZYDIS_MNEMONIC_BLSR, ZYDIS_MNEMONIC_BLSMSK: lowestBit(i)
        case ZYDIS_MNEMONIC_BEXTR: extractField(i)
        case ZYDIS_MNEMONIC_BZHI: zeroHigh(i)
        case ZYDIS_MNEMONIC_PDEP: parallel(i, .depositBits)
        case ZYDIS_MNEMONIC_PEXT: parallel(i, .extractBits)
        case ZYDIS_MNEMONIC_CRC32: checksum(i)
        default: nil
        }
    }

    /// BT and, with an operation, BTS (or), BTR (and not), BTC (xor). Only CF changes.
    private mutating func bitTest(_ i: DecodedInstruction, _ change: Operation?) -> Outcome {
        let width = i.operands[0].width
        guard let rawOffset = read(i, 1) else { return .unsupported }
        let mask = UInt64(width - 1)
        let bit: Value
        if case .constant(let constant) = rawOffset {
            bit = .constant(constant & mask)
        } else {
            bit = binary(.and, 8, rawOffset, .constant(mask))
        }
        let place: Place
        if case .memory(let memory) = i.operands[0].value, case .slot = rawOffset {
            // A register offset is signed and selects the word as well.
            let wide = signExtend(UInt8(width), rawOffset, to: 64)
            let words = binary(
                .shiftRightArithmetic, 64, wide, .constant(UInt64(width.trailingZeroBitCount)))
            let scaled = binary(
                .shiftLeft, 64, words, .constant(UInt64((width / 8).trailingZeroBitCount)))
            let whole = bitAddress(memory, i, scaled)
            place = Place(
                target: .memory(slot: whole.slot, displacement: whole.displacement), width: width,
                value: load(width, whole, forStore: change != nil))
        } else if change == nil {
            guard let value = read(i, 0) else { return .unsupported }
            place = Place(target: .register(.rax, isHighByte: false), width: width, value: value)
        } else {
            guard let opened = open(i, 0) else { return .unsupported }
            place = opened
        }
        let value = zeroExtend(UInt8(width), place.value)
        let carry = unary(.extract, 1, binary(.shiftRight, 64, value, bit), immediate: 0)
        if let change {
            var single = binary(.shiftLeft, 64, .constant(1), bit)
            if change == .and { single = unary(.not, 64, single) }
            write(place, binary(change, UInt8(width), value, single))
        }
        setFlag(.cf, carry)
        return .lifted
    }

    /// Address of the word that a bit offset selects: `bytes` beyond the operand.
    private mutating func bitAddress(
        _ memory: MemoryOperand, _ i: DecodedInstruction, _ bytes: Value
    ) -> (slot: Slot, displacement: UInt64) {
        if context.mode == .long, i.addressWidth == 64 {
            let base = address(memory, i)
            return (materialize(binary(.add, 64, .slot(base.slot), bytes)), base.displacement)
        }
        let sum = binary(.add, UInt8(i.addressWidth), effectiveAddress(memory, i), bytes)
        return (
            materialize(
                linear(memory.segment, sum, byteCount: memory.byteCount, isWrite: memory.isWritten)), 0
        )
    }

    /// ZF says whether the source is zero; then the destination stays. Other flags are undefined and stay.
    private mutating func bitScan(_ i: DecodedInstruction, isForward: Bool) -> Outcome {
        guard let place = open(i, 0), let source = read(i, 1) else { return .unsupported }
        let width = UInt8(place.width)
        let isZero = binary(.equal, width, source, .zero)
        let count = unary(isForward ? .countTrailingZeros : .countLeadingZeros, width, source)
        let index = isForward ? count : binary(.subtract, width, .constant(UInt64(width) - 1), count)
        write(place, select(width, isZero, place.value, index))
        setFlag(.zf, isZero)
        return .lifted
    }

    private mutating func zeroCount(_ i: DecodedInstruction, _ operation: Operation) -> Outcome {
        guard let place = open(i, 0, reads: false), let source = read(i, 1) else { return .unsupported }
        let width = UInt8(place.width)
        let result = unary(operation, width, source)
        write(place, result)
        setFlag(.cf, binary(.equal, width, source, .zero))
        setFlag(.zf, binary(.equal, width, result, .zero))
        return .lifted
    }

    private mutating func population(_ i: DecodedInstruction) -> Outcome {
        guard let place = open(i, 0, reads: false), let source = read(i, 1) else { return .unsupported }
        let width = UInt8(place.width)
        write(place, unary(.populationCount, width, source))
        for flag in [Slot.cf, .pf, .af, .sf, .of] { setFlag(flag, .zero) }
        setFlag(.zf, binary(.equal, width, source, .zero))
        pendingFlags = FlagSource.none
        return .lifted
    }

    private mutating func andNot(_ i: DecodedInstruction) -> Outcome {
        guard let place = open(i, 0, reads: false), let a = read(i, 1), let b = read(i, 2) else {
            return .unsupported
        }
        let width = UInt8(place.width)
        let result = binary(.and, width, unary(.not, width, a), b)
        write(place, result)
        setLogicFlags(width, result)
        return .lifted
    }

    private mutating func lowestBit(_ i: DecodedInstruction) -> Outcome {
        guard let place = open(i, 0, reads: false), let a = read(i, 1) else { return .unsupported }
        let width = UInt8(place.width)
        let result: Value
        let carry: Value
        switch i.mnemonic {
        case ZYDIS_MNEMONIC_BLSI:
            result = binary(.and, width, a, unary(.negate, width, a))
            carry = binary(.notEqual, width, a, .zero)
        case ZYDIS_MNEMONIC_BLSR:
            result = binary(.and, width, a, binary(.subtract, width, a, .constant(1)))
            carry = binary(.equal, width, a, .zero)
        default:
            result = binary(.xor, width, a, binary(.subtract, width, a, .constant(1)))
            carry = binary(.equal, width, a, .zero)
        }
        write(place, result)
        setLogicFlags(width, result)
        commits.removeAll { $0.destination == .cf }
        setFlag(.cf, carry)
        pendingFlags = .result(width: width, result: result)
        return .lifted
    }

    private mutating func extractField(_ i: DecodedInstruction) -> Outcome {
        guard let place = open(i, 0, reads: false), let a = read(i, 1), let control = read(i, 2) else {
            return .unsupported
        }
        let width = UInt8(place.width)
        let start = unary(.extract, 8, control, immediate: 0)
        let length = unary(.extract, 8, control, immediate: 8)
        let shifted = binary(.shiftRight, width, zeroExtend(width, a), start)
        let mask = binary(
            .subtract, width, binary(.shiftLeft, width, .constant(1), length), .constant(1))
        let result = binary(.and, width, shifted, mask)
        write(place, result)
        setLogicFlags(width, result)
        return .lifted
    }

    private mutating func zeroHigh(_ i: DecodedInstruction) -> Outcome {
        guard let place = open(i, 0, reads: false), let a = read(i, 1), let control = read(i, 2) else {
            return .unsupported
        }
        let width = UInt8(place.width)
        let count = unary(.extract, 8, control, immediate: 0)
        let mask = binary(
            .subtract, width, binary(.shiftLeft, width, .constant(1), count), .constant(1))
        let result = binary(.and, width, a, mask)
        write(place, result)
        setLogicFlags(width, result)
        commits.removeAll { $0.destination == .cf }
        setFlag(.cf, binary(.lessUnsigned, 64, .constant(UInt64(width) - 1), count))
        pendingFlags = .result(width: width, result: result)
        return .lifted
    }

    private mutating func parallel(_ i: DecodedInstruction, _ operation: Operation) -> Outcome {
        guard let place = open(i, 0, reads: false), let a = read(i, 1), let b = read(i, 2) else {
            return .unsupported
        }
        let width = UInt8(place.width)
        write(place, binary(operation, width, a, b))
        return .lifted
    }

    private mutating func checksum(_ i: DecodedInstruction) -> Outcome {
        guard let place = open(i, 0), let b = read(i, 1) else { return .unsupported }
        write(place, binary(.crc32, UInt8(i.operands[1].width), place.value, b))
        return .lifted
    }
}
