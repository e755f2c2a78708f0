import X86

// Loads, stores, integers and BCD (Intel SDM volume 1, 4.2 and 8.3)
extension X87Environment {
    /// FLD of 32 or 64 bits: signaling NaNs raise #IA, denormals #D.
    mutating func load(_ bits: UInt64, format: X87Format) -> ExtendedFloat {
        let number = operand(bits, format: format)
        if operandIsDenormal { raise(X87Status.denormal) }
        return X87Operand(number).isNaN ? propagateOne(number) : number
    }

    /// A number of 32 or 64 bits as an 80-bit one: exact. Nothing is raised.
    mutating func operand(_ bits: UInt64, format: X87Format) -> ExtendedFloat {
        let fractionBits = format.bits - 1
        let isNegative = bits >> UInt64(format.bits == 24 ? 31 : 63) & 1 != 0
        let field = Int(bits >> UInt64(fractionBits)) & format.maximumExponent
        let fraction = bits & ((1 << UInt64(fractionBits)) - 1)
        let aligned = fraction << UInt64(63 - fractionBits)
        let sign: UInt16 = isNegative ? 0x8000 : 0
        if field == format.maximumExponent {
            let number = ExtendedFloat(significand: 1 << 63 | aligned, signAndExponent: sign | 0x7FFF)
            return number
        }
        if field == 0 {
            guard fraction != 0 else { return .zero(isNegative: isNegative) }
            operandIsDenormal = true
            let zeros = aligned.leadingZeroBitCount
            return ExtendedFloat(
                significand: aligned << UInt64(zeros),
                signAndExponent: sign | UInt16(1 - format.bias - zeros + X87Format.extended.bias))
        }
        return ExtendedFloat(
            significand: 1 << 63 | aligned,
            signAndExponent: sign | UInt16(field - format.bias + X87Format.extended.bias))
    }

    /// FST to 32 or 64 bits. When an unmasked exception is raised the result is not to be stored.
    mutating func store(_ number: ExtendedFloat, format: X87Format) -> UInt64 {
        let operand = X87Operand(number)
        let fractionBits = format.bits - 1
        func packed(_ isNegative: Bool, _ exponent: Int, _ significand: UInt64) -> UInt64 {
            let fraction = (significand << 1) >> UInt64(64 - fractionBits)
            let sign: UInt64 = isNegative ? 1 << UInt64(format.bits == 24 ? 31 : 63) : 0
            return sign | UInt64(exponent) << UInt64(fractionBits) | fraction
        }
        switch operand.kind {
        case .zero: return packed(operand.isNegative, 0, 0)
        case .infinity: return packed(operand.isNegative, format.maximumExponent, 0)
        case .quietNaN, .signalingNaN, .unsupported:
            let quiet = X87Operand(propagateOne(number))
            return packed(quiet.isNegative, format.maximumExponent, quiet.significand)
        case .finite:
            let result = round(
                isNegative: operand.isNegative, exponent: operand.exponent,
                significand: UInt128(operand.significand) << 64, bits: format.bits, format: format)
            return packed(result.isNegative, result.exponent & format.maximumExponent, result.significand)
        }
    }

    /// The integer next to a finite number of magnitude below 2^64, nil when it is larger. Raises #P.
    mutating func integerMagnitude(_ operand: X87Operand) -> UInt64? {
        if operand.kind == .zero { return 0 }
        guard operand.exponent < 64 else { return nil }
        let fixed = Self.shiftedRight(UInt128(operand.significand) << 64, 63 - operand.exponent)
        let result = rounded(fixed, unit: 1 << 64, isNegative: operand.isNegative)
        guard !result.carried else { return nil }
        note(result)
        return UInt64(truncatingIfNeeded: result.value >> 64)
    }

    /// FIST and FISTP; FISTTP when `truncates`. The integer indefinite (the most negative one) for what does not fit.
    mutating func integer(_ number: ExtendedFloat, bits: Int, truncates: Bool = false) -> UInt64 {
        if truncates { rounding = .towardsZero }
        let operand = X87Operand(number)
        let indefinite = UInt64(1) << UInt64(bits - 1)
        guard operand.kind == .zero || operand.kind == .finite else {
            raise(X87Status.invalid)
            return indefinite
        }
        let before = raised
        guard let magnitude = integerMagnitude(operand),
            magnitude < indefinite || (magnitude == indefinite && operand.isNegative)
        else {
            raised = before | X87Status.invalid
            roundedUp = false
            return indefinite
        }
        return operand.isNegative ? 0 &- magnitude : magnitude
    }

    /// FBSTP: 18 decimal digits in nine bytes, the sign in the tenth.
    mutating func packedDecimal(_ number: ExtendedFloat) -> (low: UInt64, high: UInt16) {
        let operand = X87Operand(number)
        let before = raised
        guard operand.kind == .zero || operand.kind == .finite, let magnitude = integerMagnitude(operand),
            magnitude < 1_000_000_000_000_000_000
        else {
            raised = before | X87Status.invalid
            roundedUp = false
            return (0xC000_0000_0000_0000, 0xFFFF)
        }
        var rest = magnitude
        var low: UInt64 = 0
        for digit in 0..<16 {
            low |= (rest % 10) << UInt64(digit * 4)
            rest /= 10
        }
        let high = UInt16(rest % 10 | (rest / 10 % 10) << 4)
        return (low, high | (operand.isNegative ? 0x8000 : 0))
    }

    /// FBLD. Digits above 9 are undefined and count with their value.
    static func load(decimal low: UInt64, _ high: UInt16) -> ExtendedFloat {
        var value = UInt64(high >> 4 & 15) &* 10 &+ UInt64(high & 15)
        for digit in (0..<16).reversed() { value = value &* 10 &+ (low >> UInt64(digit * 4)) & 15 }
        let number = ExtendedFloat(integer: Int64(truncatingIfNeeded: value))
        return number.withSign(high & 0x8000 != 0)
    }

    /// FRNDINT.
    mutating func roundToInteger(_ number: ExtendedFloat) -> ExtendedFloat {
        let operand = X87Operand(number)
        switch operand.kind {
        case .zero, .infinity: return number
        case .quietNaN, .signalingNaN, .unsupported: return propagateOne(number)
        case .finite: break
        }
        if operand.isDenormal { raise(X87Status.denormal) }
        guard operand.exponent < 63 else { return number }
        let magnitude = integerMagnitude(operand) ?? 0
        guard magnitude != 0 else { return .zero(isNegative: operand.isNegative) }
        let shift = magnitude.leadingZeroBitCount
        return ExtendedFloat(
            significand: magnitude << UInt64(shift), signAndExponent: UInt16(X87Format.extended.bias + 63 - shift)
        ).withSign(operand.isNegative)
    }

    /// FSCALE: a * 2^trunc(b).
    mutating func scale(_ a: ExtendedFloat, _ b: ExtendedFloat) -> ExtendedFloat {
        let (number, power) = (X87Operand(a), X87Operand(b))
        if number.isNaN || power.isNaN || number.kind == .unsupported || power.kind == .unsupported {
            return propagate(a, b)
        }
        if power.kind == .infinity {
            if power.isNegative ? number.kind == .infinity : number.kind == .zero { return invalid() }
            noteDenormals(number, power)
            return power.isNegative
                ? .zero(isNegative: number.isNegative) : .infinity(isNegative: number.isNegative)
        }
        noteDenormals(number, power)
        guard number.kind == .finite else { return a }
        var count = 0
        if power.kind == .finite, power.exponent >= 0 {
            // Beyond 2^16 every number over- or underflows.
            count = power.exponent > 16 ? 1 << 17 : Int(power.significand >> UInt64(63 - power.exponent))
        }
        return extended(
            isNegative: number.isNegative, exponent: number.exponent + (power.isNegative ? -count : count),
            significand: UInt128(number.significand) << 64)
    }

    /// FXTRACT: the exponent as a number, and the significand with the exponent 0.
    mutating func extract(_ a: ExtendedFloat) -> (exponent: ExtendedFloat, significand: ExtendedFloat) {
        let operand = X87Operand(a)
        switch operand.kind {
        case .quietNaN, .signalingNaN, .unsupported:
            let answer = propagateOne(a)
            return (answer, answer)
        case .infinity: return (.infinity(isNegative: false), a)
        case .zero:
            raise(X87Status.zeroDivide)
            return (.infinity(isNegative: true), a)
        case .finite:
            if operand.isDenormal { raise(X87Status.denormal) }
            return (
                ExtendedFloat(integer: Int64(operand.exponent)),
                ExtendedFloat(significand: operand.significand, signAndExponent: 0x3FFF).withSign(operand.isNegative)
            )
        }
    }

    /// What FPREM and FPREM1 answer.
    struct Remainder {
        var value: ExtendedFloat
        /// Low bits of the quotient; meaningless while the reduction is not complete.
        var quotient: UInt64 = 0
        /// The reduction goes on with the next execution: C2.
        var isPartial = false
    }

    /// FPREM; FPREM1 when `isNearest`.
    mutating func remainder(_ a: ExtendedFloat, _ b: ExtendedFloat, isNearest: Bool) -> Remainder {
        let (number, divisor) = (X87Operand(a), X87Operand(b))
        if number.isNaN || divisor.isNaN || number.kind == .unsupported || divisor.kind == .unsupported {
            return Remainder(value: propagate(a, b))
        }
        if number.kind == .infinity || divisor.kind == .zero { return Remainder(value: invalid()) }
        noteDenormals(number, divisor)
        guard number.kind == .finite, divisor.kind == .finite else { return Remainder(value: a) }
        let distance = number.exponent - divisor.exponent
        guard distance >= (isNearest ? -1 : 0) else {
            return Remainder(
                value: extended(
                    isNegative: number.isNegative, exponent: number.exponent,
                    significand: UInt128(number.significand) << 64))
        }
        // Beyond 63 bits of quotient one execution takes off 32 to 63 of them.
        let isPartial = distance >= 64
        let bits = isPartial ? 32 + distance % 32 : distance
        // The unit of the integers below is 2^(unit - 63).
        var unit = divisor.exponent + distance - bits
        var dividend = UInt128(number.significand)
        var by = UInt128(divisor.significand)
        if bits < 0 {
            by <<= 1
            unit -= 1
        } else {
            dividend <<= UInt128(bits)
        }
        var (quotient, rest) = dividend.quotientAndRemainder(dividingBy: by)
        var isNegative = number.isNegative
        if isNearest, !isPartial, rest * 2 > by || (rest * 2 == by && quotient & 1 != 0) {
            quotient += 1
            rest = by - rest
            isNegative.toggle()
        }
        guard rest != 0 else {
            return Remainder(
                value: .zero(isNegative: number.isNegative), quotient: UInt64(truncatingIfNeeded: quotient),
                isPartial: isPartial)
        }
        let zeros = rest.leadingZeroBitCount
        return Remainder(
            value: extended(
                isNegative: isNegative, exponent: unit + 64 - zeros, significand: rest << UInt128(zeros)),
            quotient: UInt64(truncatingIfNeeded: quotient), isPartial: isPartial)
    }
}
