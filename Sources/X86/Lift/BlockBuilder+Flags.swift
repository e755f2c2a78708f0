// Flags and conditions
extension BlockBuilder {
    mutating func setFlag(_ slot: Slot, _ value: Value) { commit(slot, value) }

    /// ZF, SF and PF of a result.
    private mutating func setResultFlags(_ width: UInt8, _ result: Value) {
        setFlag(.pf, unary(.parity, 8, result))
        setFlag(.zf, binary(.equal, width, result, .zero))
        setFlag(.sf, unary(.sign, width, result))
    }

    /// Flags of `result` = a + b (+ carry).
    mutating func setAddFlags(_ width: UInt8, _ a: Value, _ b: Value, _ result: Value, withCarry: Bool) {
        let b = Value.slot(materialize(b))
        setFlag(
            .cf, withCarry ? ternary(.carryAdd, width, a, b, result) : binary(.lessUnsigned, width, result, a))
        setFlag(.af, ternary(.auxiliaryCarry, 8, a, b, result))
        setFlag(.of, ternary(.overflowAdd, width, a, b, result))
        setResultFlags(width, result)
        pendingFlags = .result(width: width, result: result)
    }

    /// Flags of `result` = a - b (- borrow).
    mutating func setSubtractFlags(_ width: UInt8, _ a: Value, _ b: Value, _ result: Value, withBorrow: Bool) {
        // A constant is put into a slot once, and the six flags are neighbours: the interpreter computes them together.
        let slot = Value.slot(materialize(b))
        setFlag(
            .cf, withBorrow ? ternary(.carrySubtract, width, a, slot, result) : binary(.lessUnsigned, width, a, slot))
        setFlag(.af, ternary(.auxiliaryCarry, 8, a, slot, result))
        setFlag(.of, ternary(.overflowSubtract, width, a, slot, result))
        setFlag(.pf, unary(.parity, 8, result))
        setFlag(.sf, unary(.sign, width, result))
        if withBorrow {
            setFlag(.zf, binary(.equal, width, result, .zero))
            pendingFlags = .result(width: width, result: result)
        } else {
            setFlag(.zf, binary(.equal, width, a, slot))
            pendingFlags = .subtract(width: width, a: a, b: b)
        }
    }

    /// Flags of AND, OR, XOR, TEST. AF is undefined on hardware; it is cleared, as Intel's processors do.
    mutating func setLogicFlags(_ width: UInt8, _ result: Value) {
        setFlag(.cf, .zero)
        setFlag(.af, .zero)
        setFlag(.of, .zero)
        setResultFlags(width, result)
        pendingFlags = .logic(width: width, result: result)
    }

    /// INC and DEC: all but CF.
    mutating func setIncrementFlags(_ width: UInt8, _ a: Value, _ result: Value, isIncrement: Bool) {
        setFlag(.af, ternary(.auxiliaryCarry, 8, a, .constant(1), result))
        let extreme: UInt64 = isIncrement ? 1 << UInt64(width - 1) : (1 << UInt64(width - 1)) - 1
        setFlag(.of, binary(.equal, width, result, .constant(extreme)))
        setResultFlags(width, result)
        pendingFlags = .result(width: width, result: result)
    }

    /// A condition code (0-15 as in Jcc) as a value 0 or 1.
    mutating func condition(_ code: Int) -> Value {
        if let value = comparison(code & ~1, inverted: code & 1 != 0) { return value }
        var value: Value
        switch code >> 1 {
        case 0: value = .slot(.of)
        case 1: value = .slot(.cf)
        case 2: value = .slot(.zf)
        case 3: value = binary(.or, 1, .slot(.cf), .slot(.zf))
        case 4: value = .slot(.sf)
        case 5: value = .slot(.pf)
        case 6: value = binary(.xor, 1, .slot(.sf), .slot(.of))
        default: value = binary(.or, 1, binary(.xor, 1, .slot(.sf), .slot(.of)), .slot(.zf))
        }
        if code & 1 != 0 { value = binary(.xor, 1, value, .constant(1)) }
        return value
    }

    /// The condition as a comparison of what the flags were set from, when that is known.
    private mutating func comparison(_ code: Int, inverted: Bool) -> Value? {
        switch flags {
        case .none: return nil
        case .subtract(let width, let a, let b):
            switch code {
            case 2: return inverted ? binary(.lessOrEqualUnsigned, width, b, a) : binary(.lessUnsigned, width, a, b)
            case 4: return binary(inverted ? .notEqual : .equal, width, a, b)
            case 6: return inverted ? binary(.lessUnsigned, width, b, a) : binary(.lessOrEqualUnsigned, width, a, b)
            case 12: return inverted ? binary(.lessOrEqualSigned, width, b, a) : binary(.lessSigned, width, a, b)
            case 14: return inverted ? binary(.lessSigned, width, b, a) : binary(.lessOrEqualSigned, width, a, b)
            default: return nil
            }
        case .logic(let width, let result):
            switch code {
            case 0, 2: return .constant(inverted ? 1 : 0)
            case 4, 6: return binary(inverted ? .notEqual : .equal, width, result, .zero)
            case 8, 12: return negativity(width, result, inverted)
            case 14:
                return inverted
                    ? binary(.lessSigned, width, .zero, result) : binary(.lessOrEqualSigned, width, result, .zero)
            default: return nil
            }
        case .result(let width, let result):
            switch code {
            case 4: return binary(inverted ? .notEqual : .equal, width, result, .zero)
            case 8: return negativity(width, result, inverted)
            default: return nil
            }
        }
    }

    private mutating func negativity(_ width: UInt8, _ result: Value, _ inverted: Bool) -> Value {
        inverted ? binary(.lessOrEqualSigned, width, .zero, result) : unary(.sign, width, result)
    }
}
