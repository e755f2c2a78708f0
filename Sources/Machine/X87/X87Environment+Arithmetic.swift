import X86

// FADD, FSUB, FMUL, FDIV, FSQRT and comparisons, in integer arithmetic (IEEE 754; Intel SDM volume 1, chapters 4 and 8)
extension X87Environment {
    /// The NaN that an operation on two operands answers with (Intel SDM volume 1, table 4-7).
    mutating func propagate(_ a: ExtendedFloat, _ b: ExtendedFloat) -> ExtendedFloat {
        let (left, right) = (X87Operand(a), X87Operand(b))
        if left.kind == .unsupported || right.kind == .unsupported { return invalid() }
        if left.kind == .signalingNaN || right.kind == .signalingNaN { raise(X87Status.invalid) }
        if !right.isNaN { return a.quieted }
        if !left.isNaN { return b.quieted }
        if left.kind != right.kind { return left.kind == .quietNaN ? a : b }
        if a.significand != b.significand { return a.significand > b.significand ? a.quieted : b.quieted }
        return left.isNegative ? b.quieted : a.quieted
    }

    private static func needsPropagation(_ a: X87Operand, _ b: X87Operand) -> Bool {
        a.isNaN || b.isNaN || a.kind == .unsupported || b.kind == .unsupported
    }

    mutating func noteDenormals(_ a: X87Operand, _ b: X87Operand) {
        if a.isDenormal || b.isDenormal || operandIsDenormal { raise(X87Status.denormal) }
    }

    /// a + b, or a - b.
    mutating func add(_ a: ExtendedFloat, _ b: ExtendedFloat, subtracts: Bool = false) -> ExtendedFloat {
        var (left, right) = (X87Operand(a), X87Operand(b))
        if Self.needsPropagation(left, right) { return propagate(a, b) }
        let leftSign = left.isNegative
        let rightSign = right.isNegative != subtracts
        if left.kind == .infinity || right.kind == .infinity {
            if left.kind == .infinity, right.kind == .infinity, leftSign != rightSign { return invalid() }
            noteDenormals(left, right)
            return .infinity(isNegative: left.kind == .infinity ? leftSign : rightSign)
        }
        noteDenormals(left, right)
        if left.kind == .zero, right.kind == .zero {
            return .zero(isNegative: leftSign == rightSign ? leftSign : rounding == .down)
        }
        if left.kind == .zero {
            return rounded(right, isNegative: rightSign)
        }
        if right.kind == .zero { return rounded(left, isNegative: leftSign) }
        var (sign, otherSign) = (leftSign, rightSign)
        if (left.exponent, left.significand) < (right.exponent, right.significand) {
            swap(&left, &right)
            swap(&sign, &otherSign)
        }
        let wide = UInt128(left.significand) << 63
        let other = Self.shiftedRight(UInt128(right.significand) << 63, left.exponent - right.exponent)
        let sum = sign == otherSign ? wide &+ other : wide &- other
        guard sum != 0 else { return .zero(isNegative: rounding == .down) }
        let zeros = sum.leadingZeroBitCount
        return extended(
            isNegative: sign, exponent: left.exponent + 1 - zeros, significand: sum << UInt128(zeros), bits: precision)
    }

    /// An operand rounded to the precision in force.
    private mutating func rounded(_ operand: X87Operand, isNegative: Bool) -> ExtendedFloat {
        extended(
            isNegative: isNegative, exponent: operand.exponent, significand: UInt128(operand.significand) << 64,
            bits: precision)
    }

    mutating func multiply(_ a: ExtendedFloat, _ b: ExtendedFloat) -> ExtendedFloat {
        let (left, right) = (X87Operand(a), X87Operand(b))
        if Self.needsPropagation(left, right) { return propagate(a, b) }
        let sign = left.isNegative != right.isNegative
        if left.kind == .infinity || right.kind == .infinity {
            if left.kind == .zero || right.kind == .zero { return invalid() }
            noteDenormals(left, right)
            return .infinity(isNegative: sign)
        }
        noteDenormals(left, right)
        if left.kind == .zero || right.kind == .zero { return .zero(isNegative: sign) }
        return product(left, right, bits: precision)
    }

    /// The product of two finite numbers that are not zero.
    mutating func product(_ left: X87Operand, _ right: X87Operand, bits: Int) -> ExtendedFloat {
        let product = UInt128(left.significand) * UInt128(right.significand)
        let zeros = product.leadingZeroBitCount
        return extended(
            isNegative: left.isNegative != right.isNegative, exponent: left.exponent + right.exponent + 1 - zeros,
            significand: product << UInt128(zeros), bits: bits)
    }

    /// a / b.
    mutating func divide(_ a: ExtendedFloat, _ b: ExtendedFloat) -> ExtendedFloat {
        let (left, right) = (X87Operand(a), X87Operand(b))
        if Self.needsPropagation(left, right) { return propagate(a, b) }
        let sign = left.isNegative != right.isNegative
        if left.kind == .infinity {
            if right.kind == .infinity { return invalid() }
            noteDenormals(left, right)
            return .infinity(isNegative: sign)
        }
        if right.kind == .infinity {
            noteDenormals(left, right)
            return .zero(isNegative: sign)
        }
        if right.kind == .zero {
            if left.kind == .zero { return invalid() }
            raise(X87Status.zeroDivide)
            return .infinity(isNegative: sign)
        }
        noteDenormals(left, right)
        if left.kind == .zero { return .zero(isNegative: sign) }
        // 127 quotient bits in two steps; the divisor's leading bit is set, so neither can overflow.
        let first = right.significand.dividingFullWidth((left.significand >> 1, left.significand << 63))
        let second = right.significand.dividingFullWidth((first.remainder, 0))
        let quotient =
            UInt128(first.quotient) << 64 | UInt128(second.quotient) | (second.remainder == 0 ? 0 : 1)
        let zeros = quotient.leadingZeroBitCount
        return extended(
            isNegative: sign, exponent: left.exponent - right.exponent - zeros,
            significand: quotient << UInt128(zeros), bits: precision)
    }

    mutating func squareRoot(_ a: ExtendedFloat) -> ExtendedFloat {
        let operand = X87Operand(a)
        switch operand.kind {
        case .quietNaN, .signalingNaN, .unsupported: return propagateOne(a)
        case .zero: return a
        case .infinity: return operand.isNegative ? invalid() : a
        case .finite: break
        }
        if operand.isNegative { return invalid() }
        if operand.isDenormal { raise(X87Status.denormal) }
        let isOdd = operand.exponent & 1 != 0
        let square = UInt128(operand.significand) << (isOdd ? 64 : 63)
        let root = Self.integerSquareRoot(square)
        let rest = square - UInt128(root) * UInt128(root)
        // The next bit is 1 when the rest exceeds root: (root + 1/2)^2 = root^2 + root + 1/4.
        var significand = UInt128(root) << 64
        if rest > UInt128(root) { significand |= 1 << 63 }
        if rest != 0 { significand |= 1 }
        return extended(
            isNegative: false, exponent: (operand.exponent - (isOdd ? 1 : 0)) / 2, significand: significand,
            bits: precision)
    }

    private static func integerSquareRoot(_ value: UInt128) -> UInt64 {
        var root: UInt64 = 0
        var bit: UInt64 = 1 << 63
        while bit != 0 {
            let trial = root | bit
            if UInt128(trial) * UInt128(trial) <= value { root = trial }
            bit >>= 1
        }
        return root
    }

    /// The answer to a NaN or an unsupported operand of a one-operand instruction.
    mutating func propagateOne(_ a: ExtendedFloat) -> ExtendedFloat {
        let operand = X87Operand(a)
        if operand.kind == .unsupported { return invalid() }
        if operand.kind == .signalingNaN { raise(X87Status.invalid) }
        return a.quieted
    }

    enum Order {
        case less
        case equal
        case greater
        case unordered
    }

    /// FCOM (quiet: FUCOM) and its relatives.
    mutating func compare(_ a: ExtendedFloat, _ b: ExtendedFloat, isQuiet: Bool) -> Order {
        let (left, right) = (X87Operand(a), X87Operand(b))
        if Self.needsPropagation(left, right) {
            if !isQuiet || left.isInvalid || right.isInvalid { raise(X87Status.invalid) }
            return .unordered
        }
        noteDenormals(left, right)
        if left.kind == .zero, right.kind == .zero { return .equal }
        func rank(_ operand: X87Operand) -> (Int, UInt64) {
            switch operand.kind {
            case .zero: (Int.min, 0)
            case .infinity: (Int.max, 0)
            default: (operand.exponent, operand.significand)
            }
        }
        let leftSign = left.isNegative && left.kind != .zero
        let rightSign = right.isNegative && right.kind != .zero
        if leftSign != rightSign { return leftSign ? .less : .greater }
        let (x, y) = (rank(left), rank(right))
        if x == y { return .equal }
        return (x < y) != leftSign ? .less : .greater
    }
}
