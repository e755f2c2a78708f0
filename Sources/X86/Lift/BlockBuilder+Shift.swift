import CZydis

// Shifts and rotates. OF for counts other than 1 is undefined on hardware: here it follows the formula for 1
extension BlockBuilder {
    private enum Kind {
        case shl
        case shr
        case sar
        case rol
        case ror
        case rcl
        case rcr
    }

    mutating func liftShift(_ i: DecodedInstruction) -> Outcome? {
        switch i.mnemonic {
        case ZYDIS_MNEMONIC_SHL: shift(i, .shl)
        case ZYDIS_MNEMONIC_SHR: shift(i, .shr)
        case ZYDIS_MNEMONIC_SAR: shift(i, .sar)
        case ZYDIS_MNEMONIC_ROL: shift(i, .rol)
        case ZYDIS_MNEMONIC_ROR: shift(i, .ror)
        case ZYDIS_MNEMONIC_RCL: shift(i, .rcl)
        case ZYDIS_MNEMONIC_RCR: shift(i, .rcr)
        case ZYDIS_MNEMONIC_SHLD: doubleShift(i, isLeft: true)
        case ZYDIS_MNEMONIC_SHRD: doubleShift(i, isLeft: false)
        case ZYDIS_MNEMONIC_SHLX: plainShift(i, .shiftLeft)
        case ZYDIS_MNEMONIC_SHRX: plainShift(i, .shiftRight)
        case ZYDIS_MNEMONIC_SARX: plainShift(i, .shiftRightArithmetic)
        case ZYDIS_MNEMONIC_RORX: plainShift(i, .rotateRight)
        default: nil
        }
    }

    /// The count operand masked to 5 or 6 bits.
    private mutating func count(_ i: DecodedInstruction, _ index: Int, _ width: UInt8) -> Value? {
        guard let raw = read(i, index) else { return nil }
        let mask: UInt64 = width == 64 ? 63 : 31
        if case .constant(let constant) = raw { return .constant(constant & mask) }
        return binary(.and, 8, raw, .constant(mask))
    }

    private mutating func shift(_ i: DecodedInstruction, _ kind: Kind) -> Outcome {
        guard let place = open(i, 0), i.operands.count > 1, let masked = count(i, 1, UInt8(place.width)) else {
            return .unsupported
        }
        let width = UInt8(place.width)
        if masked == .zero {
            write(place, place.value)
            return .lifted
        }
        let isRotate = kind == .rol || kind == .ror || kind == .rcl || kind == .rcr
        var count = masked
        if width < 32, kind == .rcl || kind == .rcr { count = remainder(masked, by: UInt64(width) + 1) }
        let a = zeroExtend(width, place.value)
        let (result, carry, overflow) = compute(kind, width, a, count)
        write(place, result)
        var isNonzero: Value?
        if case .slot = count { isNonzero = binary(.notEqual, 8, count, .zero) }
        if case .constant(0) = count { return .lifted }
        setConditionally(.cf, carry, isNonzero)
        setConditionally(.of, overflow, isNonzero)
        if !isRotate {
            setConditionally(.af, .zero, isNonzero)
            setConditionally(.pf, unary(.parity, 8, result), isNonzero)
            setConditionally(.zf, binary(.equal, width, result, .zero), isNonzero)
            setConditionally(.sf, unary(.sign, width, result), isNonzero)
            pendingFlags = isNonzero == nil ? .result(width: width, result: result) : FlagSource.none
        }
        return .lifted
    }

    private mutating func setConditionally(_ flag: Slot, _ value: Value, _ condition: Value?) {
        guard let condition else {
            setFlag(flag, value)
            return
        }
        setFlag(flag, select(64, condition, value, .slot(flag)))
    }

    private mutating func remainder(_ value: Value, by divisor: UInt64) -> Value {
        if case .constant(let constant) = value { return .constant(constant % divisor) }
        return ternary(.remainderUnsigned, 8, value, .constant(divisor), .zero)
    }

    private mutating func less(_ count: Value, _ amount: UInt64) -> Value {
        if case .constant(let constant) = count { return .constant(constant &- amount) }
        return binary(.subtract, 64, count, .constant(amount))
    }

    private mutating func from(_ amount: UInt64, _ count: Value) -> Value {
        if case .constant(let constant) = count { return .constant(amount &- constant) }
        return binary(.subtract, 64, .constant(amount), count)
    }

    /// Result, CF and OF for a count that is not zero.
    private mutating func compute(
        _ kind: Kind, _ width: UInt8, _ a: Value, _ count: Value
    ) -> (result: Value, carry: Value, overflow: Value) {
        let bits = UInt64(width)
        switch kind {
        case .shl:
            let result = binary(.shiftLeft, width, a, count)
            let carry = unary(.sign, width, binary(.shiftLeft, width, a, less(count, 1)))
            return (result, carry, binary(.xor, 1, unary(.sign, width, result), carry))
        case .shr:
            let before = binary(.shiftRight, width, a, less(count, 1))
            return (
                binary(.shiftRight, width, a, count), unary(.extract, 1, before, immediate: 0),
                unary(.sign, width, before)
            )
        case .sar:
            let before = binary(.shiftRightArithmetic, width, a, less(count, 1))
            return (
                binary(.shiftRightArithmetic, width, a, count), unary(.extract, 1, before, immediate: 0), .zero
            )
        case .rol:
            let result = binary(.rotateLeft, width, a, count)
            let carry = unary(.extract, 1, result, immediate: 0)
            return (result, carry, binary(.xor, 1, unary(.sign, width, result), carry))
        case .ror:
            let result = binary(.rotateRight, width, a, count)
            let carry = unary(.sign, width, result)
            return (result, carry, binary(.xor, 1, carry, unary(.extract, 1, result, immediate: bits - 2)))
        case .rcl:
            let parts = binary(
                .or, width, binary(.shiftLeft, width, a, count),
                binary(.shiftLeft, width, .slot(.cf), less(count, 1)))
            let result = binary(.or, width, parts, binary(.shiftRight, width, a, from(bits + 1, count)))
            let carry = unary(
                .extract, 1, binary(.shiftRight, width, a, from(bits, count)), immediate: 0)
            return (result, carry, binary(.xor, 1, unary(.sign, width, result), carry))
        case .rcr:
            let parts = binary(
                .or, width, binary(.shiftRight, width, a, count),
                binary(.shiftLeft, width, .slot(.cf), from(bits, count)))
            let result = binary(.or, width, parts, binary(.shiftLeft, width, a, from(bits + 1, count)))
            let carry = unary(.extract, 1, binary(.shiftRight, width, a, less(count, 1)), immediate: 0)
            let overflow = binary(
                .xor, 1, unary(.sign, width, result), unary(.extract, 1, result, immediate: bits - 2))
            return (result, carry, overflow)
        }
    }

    private mutating func doubleShift(_ i: DecodedInstruction, isLeft: Bool) -> Outcome {
        guard let place = open(i, 0), let b = read(i, 1), let count = count(i, 2, UInt8(place.width)) else {
            return .unsupported
        }
        let width = UInt8(place.width)
        if count == .zero {
            write(place, place.value)
            return .lifted
        }
        let a = zeroExtend(width, place.value)
        let rest = from(UInt64(width), count)
        let result: Value
        let carry: Value
        if isLeft {
            result = binary(
                .or, width, binary(.shiftLeft, width, a, count), binary(.shiftRight, width, b, rest))
            carry = unary(.sign, width, binary(.shiftLeft, width, a, less(count, 1)))
        } else {
            result = binary(
                .or, width, binary(.shiftRight, width, a, count), binary(.shiftLeft, width, b, rest))
            carry = unary(.extract, 1, binary(.shiftRight, width, a, less(count, 1)), immediate: 0)
        }
        write(place, result)
        var isNonzero: Value?
        if case .slot = count { isNonzero = binary(.notEqual, 8, count, .zero) }
        setConditionally(.cf, carry, isNonzero)
        setConditionally(
            .of, binary(.xor, 1, unary(.sign, width, result), unary(.sign, width, a)), isNonzero)
        setConditionally(.af, .zero, isNonzero)
        setConditionally(.pf, unary(.parity, 8, result), isNonzero)
        setConditionally(.zf, binary(.equal, width, result, .zero), isNonzero)
        setConditionally(.sf, unary(.sign, width, result), isNonzero)
        pendingFlags = isNonzero == nil ? .result(width: width, result: result) : FlagSource.none
        return .lifted
    }

    /// SHLX, SHRX, SARX, RORX: no flags.
    private mutating func plainShift(_ i: DecodedInstruction, _ operation: Operation) -> Outcome {
        guard let place = open(i, 0, reads: false), let a = read(i, 1),
            let count = count(i, 2, UInt8(place.width))
        else { return .unsupported }
        write(place, binary(operation, UInt8(place.width), a, count))
        return .lifted
    }
}
