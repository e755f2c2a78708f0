import CZydis

// ADD to TEST, INC, DEC, NEG, NOT, CMPXCHG, XADD, ADCX, flags
extension BlockBuilder {
    mutating func liftArithmetic(_ i: DecodedInstruction) -> Outcome? {
        switch i.mnemonic {
        case ZYDIS_MNEMONIC_ADD: addition(i, withCarry: false)
        case ZYDIS_MNEMONIC_ADC: addition(i, withCarry: true)
        case ZYDIS_MNEMONIC_SUB: subtraction(i, withBorrow: false, writes: true)
        case ZYDIS_MNEMONIC_SBB: subtraction(i, withBorrow: true, writes: true)
        case ZYDIS_MNEMONIC_CMP: subtraction(i, withBorrow: false, writes: false)
        case ZYDIS_MNEMONIC_AND: logic(i, .and, writes: true)
        case ZYDIS_MNEMONIC_OR: logic(i, .or, writes: true)
        case ZYDIS_MNEMONIC_XOR: logic(i, .xor, writes: true)
        case ZYDIS_MNEMONIC_TEST: logic(i, .and, writes: false)
        case ZYDIS_MNEMONIC_INC: increment(i, isIncrement: true)
        case ZYDIS_MNEMONIC_DEC: increment(i, isIncrement: false)
        case ZYDIS_MNEMONIC_NEG: negation(i)
        case ZYDIS_MNEMONIC_NOT: complement(i)
        case ZYDIS_MNEMONIC_XADD: exchangeAdd(i)
        case ZYDIS_MNEMONIC_CMPXCHG: compareExchange(i)
        case ZYDIS_MNEMONIC_CMPXCHG8B, ZYDIS_MNEMONIC_CMPXCHG16B: compareExchangeWide(i)
        case ZYDIS_MNEMONIC_ADCX: carryChain(i, .cf)
        case ZYDIS_MNEMONIC_ADOX: carryChain(i, .of)
        case ZYDIS_MNEMONIC_CLC: constantFlag(.cf, 0)
        case ZYDIS_MNEMONIC_STC: constantFlag(.cf, 1)
        case ZYDIS_MNEMONIC_CLD: constantFlag(.df, 0)
        case ZYDIS_MNEMONIC_STD: constantFlag(.df, 1)
        case ZYDIS_MNEMONIC_CMC: invertCarry()
        case ZYDIS_MNEMONIC_LAHF: loadFlags()
        case ZYDIS_MNEMONIC_SAHF: storeFlags()
        default: nil
        }
    }

    private mutating func addition(_ i: DecodedInstruction, withCarry: Bool) -> Outcome {
        guard let place = open(i, 0), let operand = read(i, 1) else { return .unsupported }
        let width = UInt8(place.width)
        let b = narrowed(operand, width)
        var result = binary(.add, width, place.value, b)
        if withCarry { result = binary(.add, width, result, .slot(.cf)) }
        write(place, result)
        setAddFlags(width, place.value, b, result, withCarry: withCarry)
        return .lifted
    }

    /// Constants as their low bits, so that comparisons with them read well.
    private func narrowed(_ value: Value, _ width: UInt8) -> Value {
        if case .constant(let constant) = value { .constant(constant & (~0 >> UInt64(64 - width))) } else { value }
    }

    private mutating func subtraction(_ i: DecodedInstruction, withBorrow: Bool, writes: Bool) -> Outcome {
        let width: UInt8
        let a: Value
        let b: Value
        var place: Place?
        if writes {
            guard let opened = open(i, 0), let right = read(i, 1) else { return .unsupported }
            place = opened
            (width, a, b) = (UInt8(opened.width), opened.value, right)
        } else {
            guard let left = read(i, 0), let right = read(i, 1) else { return .unsupported }
            (width, a, b) = (UInt8(i.operands[0].width), left, right)
        }
        let right = narrowed(b, width)
        var result = binary(.subtract, width, a, right)
        if withBorrow { result = binary(.subtract, width, result, .slot(.cf)) }
        if let place { write(place, result) }
        setSubtractFlags(width, a, right, result, withBorrow: withBorrow)
        return .lifted
    }

    private mutating func logic(_ i: DecodedInstruction, _ operation: Operation, writes: Bool) -> Outcome {
        let width = UInt8(i.operands[0].width)
        if writes {
            guard let place = open(i, 0), let b = read(i, 1) else { return .unsupported }
            let isZeroing = operation == .xor && !i.operands[0].isMemory && place.value == b
            let result = isZeroing ? .zero : binary(operation, width, place.value, narrowed(b, width))
            write(place, result)
            setLogicFlags(width, result)
        } else {
            guard let a = read(i, 0), let b = read(i, 1) else { return .unsupported }
            setLogicFlags(width, binary(operation, width, a, narrowed(b, width)))
        }
        return .lifted
    }

    private mutating func increment(_ i: DecodedInstruction, isIncrement: Bool) -> Outcome {
        guard let place = open(i, 0) else { return .unsupported }
        let width = UInt8(place.width)
        let result = binary(isIncrement ? .add : .subtract, width, place.value, .constant(1))
        write(place, result)
        setIncrementFlags(width, place.value, result, isIncrement: isIncrement)
        return .lifted
    }

    private mutating func negation(_ i: DecodedInstruction) -> Outcome {
        guard let place = open(i, 0) else { return .unsupported }
        let width = UInt8(place.width)
        let result = unary(.negate, width, place.value)
        write(place, result)
        setSubtractFlags(width, .zero, place.value, result, withBorrow: false)
        return .lifted
    }

    private mutating func complement(_ i: DecodedInstruction) -> Outcome {
        guard let place = open(i, 0) else { return .unsupported }
        write(place, unary(.not, UInt8(place.width), place.value))
        return .lifted
    }

    private mutating func exchangeAdd(_ i: DecodedInstruction) -> Outcome {
        guard let place = open(i, 0), let source = open(i, 1) else { return .unsupported }
        let width = UInt8(place.width)
        let result = binary(.add, width, place.value, source.value)
        // The source register is written first: when both are the same register the sum stays.
        write(source, place.value)
        write(place, result)
        setAddFlags(width, place.value, source.value, result, withCarry: false)
        return .lifted
    }

    private mutating func compareExchange(_ i: DecodedInstruction) -> Outcome {
        guard let place = open(i, 0), let source = read(i, 1) else { return .unsupported }
        let width = UInt8(place.width)
        let old = place.value
        let difference = binary(.subtract, width, .slot(.rax), old)
        let isEqual = binary(.equal, width, .slot(.rax), old)
        // The destination is written in either case; the accumulator only on a mismatch, with the merge rule of its width.
        if width == 32, case .register(let slot, _) = place.target {
            // A register destination keeps its upper half on a mismatch.
            commit(slot, select(64, isEqual, zeroExtend(32, source), .slot(slot)))
        } else {
            write(place, select(width, isEqual, source, old))
        }
        let isSame: Bool
        if case .register(let slot, _) = place.target { isSame = slot == .rax } else { isSame = false }
        if !isSame {
            let merged: Value
            switch width {
            case 64, 32: merged = zeroExtend(width, old)
            default: merged = insert(width, into: .slot(.rax), old, at: 0)
            }
            commit(.rax, select(64, isEqual, .slot(.rax), merged))
        }
        setSubtractFlags(width, .slot(.rax), old, difference, withBorrow: false)
        return .lifted
    }

    private mutating func compareExchangeWide(_ i: DecodedInstruction) -> Outcome {
        guard case .memory(let memory) = i.operands[0].value else { return .unsupported }
        let half = UInt8(i.operands[0].width / 2)
        let place = address(memory, i)
        let oldLow: Value
        let oldHigh: Value
        if half == 64 {
            helper(.requireCanonical, a: effectiveSum(place), detail: 16)
            oldLow = load(128, place, forStore: true)
            guard case .slot(let slot) = oldLow else { return .unsupported }
            oldHigh = .slot(slot.high)
        } else {
            let both = load(64, place, forStore: true)
            oldLow = unary(.extract, 32, both, immediate: 0)
            oldHigh = unary(.extract, 32, both, immediate: 32)
        }
        let isLow = binary(.equal, half, .slot(.rax), oldLow)
        let isHigh = binary(.equal, half, .slot(.rdx), oldHigh)
        let isEqual = binary(.and, 1, isLow, isHigh)
        if half == 64 {
            let pair = temporaryPair()
            operations.append(
                MicroOp(
                    .select, destination: pair, a: .rbx, b: materialize(oldLow),
                    immediate: UInt64(materialize(isEqual).rawValue)))
            operations.append(
                MicroOp(
                    .select, destination: pair.high, a: .rcx, b: materialize(oldHigh),
                    immediate: UInt64(materialize(isEqual).rawValue)))
            store(128, place, .slot(pair))
        } else {
            let low = select(32, isEqual, .slot(.rbx), oldLow)
            let high = select(32, isEqual, .slot(.rcx), oldHigh)
            store(64, place, insert(32, into: low, high, at: 32))
        }
        commit(.rax, select(64, isEqual, .slot(.rax), oldLow))
        commit(.rdx, select(64, isEqual, .slot(.rdx), oldHigh))
        setFlag(.zf, isEqual)
        return .lifted
    }

    mutating func effectiveSum(_ place: (slot: Slot, displacement: UInt64)) -> Value {
        place.displacement == 0
            ? .slot(place.slot) : binary(.add, 64, .slot(place.slot), .constant(place.displacement))
    }

    private mutating func carryChain(_ i: DecodedInstruction, _ flag: Slot) -> Outcome {
        guard let place = open(i, 0), let b = read(i, 1) else { return .unsupported }
        let width = UInt8(place.width)
        let result = binary(.add, width, binary(.add, width, place.value, b), .slot(flag))
        write(place, result)
        setFlag(flag, ternary(.carryAdd, width, place.value, b, result))
        return .lifted
    }

    private mutating func constantFlag(_ flag: Slot, _ value: UInt64) -> Outcome {
        setFlag(flag, .constant(value))
        return .lifted
    }

    private mutating func invertCarry() -> Outcome {
        setFlag(.cf, binary(.xor, 1, .slot(.cf), .constant(1)))
        return .lifted
    }

    /// SF ZF AF PF CF with bit 1 set, as in the low byte of RFLAGS.
    mutating func lowFlags() -> Value {
        var value: Value = .constant(2)
        for (slot, bit) in [(Slot.cf, 0), (.pf, 2), (.af, 4), (.zf, 6), (.sf, 7)] {
            let shifted = bit == 0 ? Value.slot(slot) : binary(.shiftLeft, 64, .slot(slot), .constant(UInt64(bit)))
            value = value == .constant(2) ? binary(.or, 64, shifted, value) : binary(.or, 64, value, shifted)
        }
        return value
    }

    /// Sets CF PF AF ZF SF from the low byte of a value, and DF and OF as well when `all`.
    mutating func setFlags(from value: Value, all: Bool) {
        var bits = [(Slot.cf, 0), (.pf, 2), (.af, 4), (.zf, 6), (.sf, 7)]
        if all { bits += [(.df, 10), (.of, 11)] }
        for (slot, bit) in bits { setFlag(slot, unary(.extract, 1, value, immediate: UInt64(bit))) }
        pendingFlags = FlagSource.none
    }

    private mutating func loadFlags() -> Outcome {
        commitGeneral(.rax, 8, lowFlags(), isHighByte: true)
        return .lifted
    }

    private mutating func storeFlags() -> Outcome {
        setFlags(from: unary(.extract, 8, .slot(.rax), immediate: 8), all: false)
        return .lifted
    }
}
