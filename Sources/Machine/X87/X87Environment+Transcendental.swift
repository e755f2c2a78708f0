import X86

// FSIN, FCOS, FPTAN, FPATAN, F2XM1, FYL2X, FYL2XP1 (Intel SDM volume 1, 8.3.7 to 8.3.10).
// Results are the exact ones rounded once, from some 120 bits; hardware answers within one unit in the last place.
// Arguments of the trigonometric functions are reduced with the processor's 66 bits of pi
extension X87Environment {
    /// Rounds an irrational value: never exact.
    private mutating func rounded(_ value: WideFloat) -> ExtendedFloat {
        extended(isNegative: value.isNegative, exponent: value.exponent, significand: value.significand | 1)
    }

    enum Trigonometric {
        case sine
        case cosine
        case both
        case tangent
    }

    /// Sine or tangent in `first`, cosine in `second`; nil when |x| >= 2^63: the argument stays and C2 is set.
    mutating func trigonometric(
        _ a: ExtendedFloat, _ function: Trigonometric
    ) -> (first: ExtendedFloat, second: ExtendedFloat)? {
        let operand = X87Operand(a)
        switch operand.kind {
        case .quietNaN, .signalingNaN, .unsupported:
            let answer = propagateOne(a)
            return (answer, answer)
        case .infinity:
            let answer = invalid()
            return (answer, answer)
        case .zero: return (a, .one)
        case .finite: break
        }
        guard operand.exponent < 63 else { return nil }
        if operand.isDenormal { raise(X87Status.denormal) }
        let (rest, quadrant) = Self.reduced(operand)
        let (sine, cosine) = WideFloat.sineAndCosine(rest)
        let (s, c): (WideFloat, WideFloat) =
            switch quadrant & 3 {
            case 0: (sine, cosine)
            case 1: (cosine, sine.negated)
            case 2: (sine.negated, cosine.negated)
            default: (cosine.negated, sine)
            }
        switch function {
        case .sine: return (rounded(s), .one)
        case .cosine: return (.one, rounded(c))
        case .both: return (rounded(s), rounded(c))
        case .tangent: return (rounded(s / c), .one)
        }
    }

    /// x - n * pi/2 with pi of 66 bits, between -pi/4 and pi/4, and n modulo 4.
    private static func reduced(_ operand: X87Operand) -> (rest: WideFloat, quadrant: Int) {
        // pi/2 = halfPi * 2^-65.
        let halfPi: UInt128 = 0x3_243F_6A88_85A3_08D3
        let shift = operand.exponent - 63 + 65
        guard shift >= 0 else { return (WideFloat(operand), 0) }
        // shift <= 64: the integer has at most 128 bits.
        let value = UInt128(operand.significand) << UInt128(shift)
        var (quotient, rest) = value.quotientAndRemainder(dividingBy: halfPi)
        var isNegative = operand.isNegative
        if rest * 2 > halfPi {
            rest = halfPi - rest
            quotient &+= 1
            isNegative.toggle()
        }
        let count = Int(truncatingIfNeeded: quotient & 3)
        return (
            WideFloat(rest, scale: -65, isNegative: isNegative), operand.isNegative ? (4 - count) & 3 : count
        )
    }

    /// FPATAN: the angle of the point (x, y).
    mutating func arcTangent(y a: ExtendedFloat, x b: ExtendedFloat) -> ExtendedFloat {
        let (y, x) = (X87Operand(a), X87Operand(b))
        if y.isNaN || x.isNaN || y.kind == .unsupported || x.kind == .unsupported { return propagate(a, b) }
        noteDenormals(y, x)
        func angle(_ value: WideFloat) -> WideFloat {
            WideFloat(isNegative: y.isNegative, exponent: value.exponent, significand: value.significand)
        }
        let pi = WideFloat.pi
        if y.kind == .zero || (x.kind == .infinity && y.kind == .finite) {
            return x.isNegative ? rounded(angle(pi)) : .zero(isNegative: y.isNegative)
        }
        if x.kind == .infinity {
            return rounded(angle(x.isNegative ? pi.scaled(by: -2) * WideFloat(3) : pi.scaled(by: -2)))
        }
        if x.kind == .zero || y.kind == .infinity { return rounded(angle(pi.scaled(by: -1))) }
        var (height, width) = (WideFloat(y), WideFloat(x))
        height.isNegative = false
        width.isNegative = false
        let isSteep = (height.exponent, height.significand) > (width.exponent, width.significand)
        var value = WideFloat.arcTangent(isSteep ? width / height : height / width)
        if isSteep { value = pi.scaled(by: -1) - value }
        if x.isNegative { value = pi - value }
        return rounded(angle(value))
    }

    /// F2XM1: 2^x - 1 for -1 <= x <= 1; other arguments are undefined and stay.
    mutating func powerMinusOne(_ a: ExtendedFloat) -> ExtendedFloat {
        let operand = X87Operand(a)
        switch operand.kind {
        case .quietNaN, .signalingNaN, .unsupported: return propagateOne(a)
        case .zero: return a
        case .infinity:
            return operand.isNegative ? ExtendedFloat.one.withSign(true) : a
        case .finite: break
        }
        if operand.isDenormal { raise(X87Status.denormal) }
        if operand.exponent >= 0 {
            guard operand.exponent == 0, operand.significand == 1 << 63 else { return a }
            return operand.isNegative ? ExtendedFloat(significand: 1 << 63, signAndExponent: 0xBFFE) : a
        }
        return rounded(WideFloat.exponentialMinusOne(WideFloat(operand) * .naturalLogarithmOfTwo))
    }

    /// FYL2X: y log2(x).
    mutating func logarithm(y a: ExtendedFloat, x b: ExtendedFloat) -> ExtendedFloat {
        let (y, x) = (X87Operand(a), X87Operand(b))
        if y.isNaN || x.isNaN || y.kind == .unsupported || x.kind == .unsupported { return propagate(a, b) }
        if x.isNegative, x.kind != .zero { return invalid() }
        if x.kind == .zero {
            if y.kind == .zero { return invalid() }
            if y.kind == .finite { raise(X87Status.zeroDivide) }
            noteDenormals(y, x)
            return .infinity(isNegative: !y.isNegative)
        }
        let isOne = x.kind == .finite && x.exponent == 0 && x.significand == 1 << 63
        let isBelowOne = x.kind == .finite && x.exponent < 0
        if y.kind == .infinity {
            if isOne { return invalid() }
            noteDenormals(y, x)
            return .infinity(isNegative: y.isNegative != isBelowOne)
        }
        if x.kind == .infinity {
            if y.kind == .zero { return invalid() }
            noteDenormals(y, x)
            return .infinity(isNegative: y.isNegative)
        }
        noteDenormals(y, x)
        if isOne || y.kind == .zero { return .zero(isNegative: y.isNegative != isBelowOne) }
        if x.significand == 1 << 63 {
            // A power of two: the product of y and an integer.
            // Processors call it inexact all the same.
            raise(X87Status.precision)
            return product(y, X87Operand(ExtendedFloat(integer: Int64(x.exponent))), bits: 64)
        }
        return rounded(WideFloat(y) * Self.binaryLogarithm(x))
    }

    /// log2 of a positive finite number that is no power of two.
    private static func binaryLogarithm(_ x: X87Operand) -> WideFloat {
        var power = x.exponent
        var mantissa = WideFloat(isNegative: false, exponent: 0, significand: UInt128(x.significand) << 64)
        // sqrt(2): the mantissa is brought to 0.7...1.4.
        if x.significand > 0xB504_F333_F9DE_6484 {
            mantissa.exponent = -1
            power += 1
        }
        let z = (mantissa - .one) / (mantissa + .one)
        return WideFloat(power) + WideFloat.doubledAreaTangent(z) * .binaryLogarithmOfE
    }

    /// FYL2XP1: y log2(x + 1) for |x| < 1 - sqrt(1/2); other arguments are undefined.
    mutating func logarithmPlusOne(y a: ExtendedFloat, x b: ExtendedFloat) -> ExtendedFloat {
        let (y, x) = (X87Operand(a), X87Operand(b))
        if y.isNaN || x.isNaN || y.kind == .unsupported || x.kind == .unsupported { return propagate(a, b) }
        let sign = y.isNegative != x.isNegative
        if x.kind == .infinity {
            if x.isNegative || y.kind == .zero { return invalid() }
            noteDenormals(y, x)
            return .infinity(isNegative: sign)
        }
        if y.kind == .infinity {
            if x.kind == .zero { return invalid() }
            noteDenormals(y, x)
            return .infinity(isNegative: sign)
        }
        noteDenormals(y, x)
        if x.kind == .zero || y.kind == .zero { return .zero(isNegative: sign) }
        guard x.exponent < 0 else {
            // Outside of the defined range: ln(1 + x) through the sum, as far as it is positive.
            let sum = WideFloat(x) + .one
            guard !sum.isNegative, !sum.isZero else { return invalid() }
            let top = X87Operand(
                ExtendedFloat(
                    significand: UInt64(truncatingIfNeeded: sum.significand >> 64),
                    signAndExponent: UInt16(clamping: sum.exponent + X87Format.extended.bias)))
            return rounded(WideFloat(y) * Self.binaryLogarithm(top))
        }
        let small = WideFloat(x)
        let z = small / (small + WideFloat(2))
        return rounded(WideFloat(y) * WideFloat.doubledAreaTangent(z) * .binaryLogarithmOfE)
    }
}
