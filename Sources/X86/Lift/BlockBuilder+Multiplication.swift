import CZydis

// MUL, IMUL, DIV, IDIV, MULX. The undefined SF, ZF, AF and PF of products follow the low half, as QEMU has them
extension BlockBuilder {
    mutating func liftMultiplication(_ i: DecodedInstruction) -> Outcome? {
        switch i.mnemonic {
        case ZYDIS_MNEMONIC_MUL: wideProduct(i, isSigned: false)
        case ZYDIS_MNEMONIC_IMUL: i.visibleCount == 1 ? wideProduct(i, isSigned: true) : product(i)
        case ZYDIS_MNEMONIC_MULX: flaglessProduct(i)
        case ZYDIS_MNEMONIC_DIV: division(i, isSigned: false)
        case ZYDIS_MNEMONIC_IDIV: division(i, isSigned: true)
        default: nil
        }
    }

    private mutating func setProductFlags(_ width: UInt8, _ low: Value, overflows: Value) {
        setFlag(.cf, overflows)
        setFlag(.of, overflows)
        setFlag(.af, .zero)
        setFlag(.pf, unary(.parity, 8, low))
        setFlag(.zf, binary(.equal, width, low, .zero))
        setFlag(.sf, unary(.sign, width, low))
        pendingFlags = .result(width: width, result: low)
    }

    private mutating func signedOverflow(_ width: UInt8, _ low: Value, _ high: Value) -> Value {
        let sign = binary(.shiftRightArithmetic, width, low, .constant(UInt64(width) - 1))
        return binary(.notEqual, width, high, sign)
    }

    private mutating func wideProduct(_ i: DecodedInstruction, isSigned: Bool) -> Outcome {
        guard let b = read(i, 0) else { return .unsupported }
        let width = UInt8(i.operands[0].width)
        let low = binary(.multiply, width, .slot(.rax), b)
        let high = binary(isSigned ? .multiplyHighSigned : .multiplyHighUnsigned, width, .slot(.rax), b)
        if width == 8 {
            commitGeneral(.rax, 16, insert(8, into: low, high, at: 8))
        } else {
            commitGeneral(.rax, Int(width), low)
            commitGeneral(.rdx, Int(width), high)
        }
        let overflows =
            isSigned ? signedOverflow(width, low, high) : binary(.notEqual, width, high, .zero)
        setProductFlags(width, low, overflows: overflows)
        return .lifted
    }

    private mutating func product(_ i: DecodedInstruction) -> Outcome {
        let isThree = i.visibleCount == 3
        guard let place = open(i, 0, reads: !isThree), let b = read(i, isThree ? 2 : 1) else { return .unsupported }
        let width = UInt8(place.width)
        let a: Value
        if isThree {
            guard let value = read(i, 1) else { return .unsupported }
            a = value
        } else {
            a = place.value
        }
        let low = binary(.multiply, width, a, b)
        let high = binary(.multiplyHighSigned, width, a, b)
        write(place, low)
        setProductFlags(width, low, overflows: signedOverflow(width, low, high))
        return .lifted
    }

    private mutating func flaglessProduct(_ i: DecodedInstruction) -> Outcome {
        guard let high = open(i, 0, reads: false), let low = open(i, 1, reads: false), let b = read(i, 2) else {
            return .unsupported
        }
        let width = UInt8(high.width)
        let lower = binary(.multiply, width, .slot(.rdx), b)
        let upper = binary(.multiplyHighUnsigned, width, .slot(.rdx), b)
        // When both destinations are the same register, it gets the high half.
        write(low, lower)
        write(high, upper)
        return .lifted
    }

    private mutating func division(_ i: DecodedInstruction, isSigned: Bool) -> Outcome {
        guard let divisor = read(i, 0) else { return .unsupported }
        let width = UInt8(i.operands[0].width)
        let high = width == 8 ? unary(.extract, 8, .slot(.rax), immediate: 8) : .slot(.rdx)
        let quotient = ternary(isSigned ? .divideSigned : .divideUnsigned, width, .slot(.rax), divisor, high)
        let remainder = ternary(isSigned ? .remainderSigned : .remainderUnsigned, width, .slot(.rax), divisor, high)
        if width == 8 {
            commitGeneral(.rax, 16, insert(8, into: quotient, remainder, at: 8))
        } else {
            commitGeneral(.rax, Int(width), quotient)
            commitGeneral(.rdx, Int(width), remainder)
        }
        return .lifted
    }
}
