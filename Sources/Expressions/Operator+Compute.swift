extension Operator {
    /// The value of an operation with two operands; `width` is that of the operands, which are cut to it.
    ///
    /// This function and the translation to the solver are the two definitions of the operations; the tests prove that
    /// they agree.
    @inlinable
    package func compute(_ a: UInt64, _ b: UInt64, width: Int) -> UInt64 {
        let mask = lowMask(width)
        switch self {
        case .add: return (a &+ b) & mask
        case .subtract: return (a &- b) & mask
        case .multiply: return (a &* b) & mask
        case .multiplyHighUnsigned:
            if width == 64 { return a.multipliedFullWidth(by: b).high }
            return highHalf(UInt64(truncatingIfNeeded: a), b, width: width)
        case .multiplyHighSigned:
            let product = signExtended(a, from: width).multipliedFullWidth(by: signExtended(b, from: width))
            if width == 64 { return UInt64(bitPattern: product.high) }
            return shiftedRight(high: product.high, low: product.low, by: width) & mask
        case .divideUnsigned: return b == 0 ? mask : a / b
        case .remainderUnsigned: return b == 0 ? a : a % b
        case .divideSigned:
            let dividend = signExtended(a, from: width)
            let divisor = signExtended(b, from: width)
            if divisor == 0 { return dividend < 0 ? 1 : mask }
            return UInt64(bitPattern: dividend.dividedReportingOverflow(by: divisor).partialValue) & mask
        case .remainderSigned:
            let dividend = signExtended(a, from: width)
            let divisor = signExtended(b, from: width)
            if divisor == 0 { return a }
            return UInt64(bitPattern: divisor == -1 ? 0 : dividend % divisor) & mask
        case .and: return a & b
        case .or: return a | b
        case .xor: return a ^ b
        case .shiftLeft: return b >= UInt64(width) ? 0 : (a << b) & mask
        case .shiftRightLogical: return b >= UInt64(width) ? 0 : a >> b
        case .shiftRightArithmetic:
            let value = signExtended(a, from: width)
            return UInt64(bitPattern: value >> Int64(min(b, 63))) & mask
        case .equal: return a == b ? 1 : 0
        case .lessUnsigned: return a < b ? 1 : 0
        case .lessSigned: return signExtended(a, from: width) < signExtended(b, from: width) ? 1 : 0
        case .subtractOverflow:
            let difference = (a &- b) & mask
            return ((a ^ b) & (a ^ difference)) >> UInt64(width - 1)
        case .constant, .symbol, .table, .not, .zeroExtend, .signExtend, .extract, .concat, .ifThenElse:
            preconditionFailure("not an operation with two operands of one width")
        }
    }

    /// Upper `width` bits of the `2 * width`-bit product, for widths below 64.
    @inlinable
    func highHalf(_ a: UInt64, _ b: UInt64, width: Int) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return shiftedRight(high: Int64(bitPattern: product.high), low: product.low, by: width) & lowMask(width)
    }

    /// The low 64 bits of a 128-bit value shifted right by 1 to 63.
    @inlinable
    func shiftedRight(high: Int64, low: UInt64, by count: Int) -> UInt64 {
        low >> UInt64(count) | UInt64(bitPattern: high) << UInt64(64 - count)
    }

    /// Whether operands may be swapped.
    @inlinable
    var isCommutative: Bool {
        switch self {
        case .add, .multiply, .multiplyHighUnsigned, .multiplyHighSigned, .and, .or, .xor, .equal: true
        default: false
        }
    }

    /// Whether the result has 1 bit whatever the operands' width.
    @inlinable
    package var isComparison: Bool {
        switch self {
        case .equal, .lessUnsigned, .lessSigned, .subtractOverflow: true
        default: false
        }
    }

    /// How many of the node's fields `a`, `b`, `c` are operands.
    @inlinable
    package var operandCount: Int {
        switch self {
        case .constant, .symbol: 0
        case .table, .not, .zeroExtend, .signExtend, .extract: 1
        case .ifThenElse: 3
        default: 2
        }
    }
}
