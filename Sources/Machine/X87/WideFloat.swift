/// A binary number with 128 significand bits and an unbounded exponent, truncating: what the transcendental functions compute with.
struct WideFloat {
    var isNegative: Bool
    /// Exponent of the leading bit.
    var exponent: Int
    /// Leading bit in bit 127; 0 for zero.
    var significand: UInt128

    static let zero = WideFloat(isNegative: false, exponent: 0, significand: 0)
    static let one = WideFloat(isNegative: false, exponent: 0, significand: 1 << 127)
    /// ln 2.
    static let naturalLogarithmOfTwo = WideFloat(
        isNegative: false, exponent: -1, significand: 0xB172_17F7_D1CF_79AB_C9E3_B398_03F2_F6AF)
    /// log2 e.
    static let binaryLogarithmOfE = WideFloat(
        isNegative: false, exponent: 0, significand: 0xB8AA_3B29_5C17_F0BB_BE87_FED0_691D_3E88)
    /// pi.
    static let pi = WideFloat(
        isNegative: false, exponent: 1, significand: 0xC90F_DAA2_2168_C234_C4C6_628B_80DC_1CD1)

    var isZero: Bool { significand == 0 }

    init(isNegative: Bool, exponent: Int, significand: UInt128) {
        self.isNegative = isNegative
        self.exponent = exponent
        self.significand = significand
    }

    /// `value` * 2^`scale`.
    init(_ value: UInt128, scale: Int, isNegative: Bool = false) {
        guard value != 0 else {
            self = .zero
            return
        }
        let zeros = value.leadingZeroBitCount
        self.init(isNegative: isNegative, exponent: scale + 127 - zeros, significand: value << UInt128(zeros))
    }

    init(_ operand: X87Operand) {
        self.init(
            isNegative: operand.isNegative, exponent: operand.exponent,
            significand: UInt128(operand.significand) << 64)
    }

    init(_ value: Int) {
        self.init(UInt128(value.magnitude), scale: 0, isNegative: value < 0)
    }

    var negated: WideFloat { WideFloat(isNegative: !isNegative, exponent: exponent, significand: significand) }

    func scaled(by power: Int) -> WideFloat {
        WideFloat(isNegative: isNegative, exponent: exponent + power, significand: significand)
    }

    static func * (left: WideFloat, right: WideFloat) -> WideFloat {
        guard !left.isZero, !right.isZero else { return .zero }
        let product = left.significand.multipliedFullWidth(by: right.significand)
        let sign = left.isNegative != right.isNegative
        let exponent = left.exponent + right.exponent
        if product.high >> 127 != 0 {
            return WideFloat(isNegative: sign, exponent: exponent + 1, significand: product.high)
        }
        return WideFloat(
            isNegative: sign, exponent: exponent, significand: product.high << 1 | product.low >> 127)
    }

    static func / (left: WideFloat, right: WideFloat) -> WideFloat {
        guard !left.isZero, !right.isZero else { return .zero }
        let quotient = right.significand.dividingFullWidth(
            (left.significand >> 1, left.significand << 127)
        ).quotient
        let zeros = quotient.leadingZeroBitCount
        return WideFloat(
            isNegative: left.isNegative != right.isNegative, exponent: left.exponent - right.exponent - zeros,
            significand: quotient << UInt128(zeros))
    }

    /// Loses as many bits as the divisor has.
    static func / (left: WideFloat, right: Int) -> WideFloat {
        guard !left.isZero, right > 0 else { return left }
        let quotient = left.significand / UInt128(right)
        let zeros = quotient.leadingZeroBitCount
        return WideFloat(
            isNegative: left.isNegative, exponent: left.exponent - zeros, significand: quotient << UInt128(zeros))
    }

    static func + (left: WideFloat, right: WideFloat) -> WideFloat {
        if left.isZero { return right }
        if right.isZero { return left }
        var (big, small) = (left, right)
        if (big.exponent, big.significand) < (small.exponent, small.significand) { swap(&big, &small) }
        let distance = big.exponent - small.exponent
        let other = distance >= 128 ? 0 : small.significand >> UInt128(distance)
        if big.isNegative == small.isNegative {
            let sum = big.significand.addingReportingOverflow(other)
            return sum.overflow
                ? WideFloat(
                    isNegative: big.isNegative, exponent: big.exponent + 1,
                    significand: sum.partialValue >> 1 | 1 << 127)
                : WideFloat(isNegative: big.isNegative, exponent: big.exponent, significand: sum.partialValue)
        }
        let rest = big.significand - other
        guard rest != 0 else { return .zero }
        let zeros = rest.leadingZeroBitCount
        return WideFloat(
            isNegative: big.isNegative, exponent: big.exponent - zeros, significand: rest << UInt128(zeros))
    }

    static func - (left: WideFloat, right: WideFloat) -> WideFloat { left + right.negated }
}

// Power series. Arguments are reduced, so that every loop ends after some tens of terms
extension WideFloat {
    /// Terms below 2^-`precision` of the sum do not count.
    private static let precision = 124

    /// e^x - 1 for |x| < 1.
    static func exponentialMinusOne(_ x: WideFloat) -> WideFloat {
        var sum = x
        var term = x
        var index = 2
        while !term.isZero, term.exponent > sum.exponent - precision {
            term = term * x / index
            sum = sum + term
            index += 1
        }
        return sum
    }

    /// 2 artanh(z) = ln((1 + z) / (1 - z)) for |z| <= 0.2.
    static func doubledAreaTangent(_ z: WideFloat) -> WideFloat {
        oddSeries(z, square: z * z).scaled(by: 1)
    }

    /// sum of z (square)^n / (2 n + 1).
    private static func oddSeries(_ z: WideFloat, square: WideFloat) -> WideFloat {
        var sum = z
        var power = z
        var index = 3
        while !power.isZero, power.exponent > sum.exponent - precision {
            power = power * square
            sum = sum + power / index
            index += 2
        }
        return sum
    }

    /// arctan(t) for 0 <= t <= 1.
    static func arcTangent(_ t: WideFloat) -> WideFloat {
        // tan(pi/8) = 0.414...: above it, pi/4 - arctan((1 - t) / (1 + t)).
        let limit = WideFloat(isNegative: false, exponent: -2, significand: 0xD413_CCCF_E779_9211 << 64)
        if (t.exponent, t.significand) > (limit.exponent, limit.significand) {
            return pi.scaled(by: -2) - arcTangentOfSmall((one - t) / (one + t))
        }
        return arcTangentOfSmall(t)
    }

    private static func arcTangentOfSmall(_ t: WideFloat) -> WideFloat {
        oddSeries(t, square: (t * t).negated)
    }

    /// Sine and cosine for |x| < 1.
    static func sineAndCosine(_ x: WideFloat) -> (sine: WideFloat, cosine: WideFloat) {
        let square = (x * x).negated
        var sine = x
        var cosine = one
        var sineTerm = x
        var cosineTerm = one
        var index = 1
        while !sineTerm.isZero, sineTerm.exponent > sine.exponent - precision || cosineTerm.exponent > -precision {
            cosineTerm = cosineTerm * square / (index * (index + 1))
            sineTerm = sineTerm * square / ((index + 1) * (index + 2))
            cosine = cosine + cosineTerm
            sine = sine + sineTerm
            index += 2
        }
        return (sine, cosine)
    }
}
