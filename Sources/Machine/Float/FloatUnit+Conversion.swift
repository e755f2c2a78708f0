// Conversions between formats and to and from integers
extension FloatUnit {
    /// A number of one format in another.
    ///
    /// - Parameter ignoresDenormals: the source's denormals are numbers like others: F16C's halves know neither DAZ nor the exception.
    mutating func convert(
        _ operand: UInt64, from source: BinaryFormat, to target: BinaryFormat, ignoresDenormals: Bool = false
    ) -> UInt64 {
        let a = ignoresDenormals ? operand : taken(operand, source)
        let sign = source.isNegative(a) ? target.signBit : 0
        if source.isNaN(a) {
            if source.isSignalling(a) { raised |= Self.invalid }
            // The payload keeps its upper bits.
            let aligned = (a & source.fractionMask) << UInt64(63 - source.fractionBits)
            let payload = aligned >> UInt64(63 - target.fractionBits)
            return sign | target.infinity | target.quietBit | payload & target.fractionMask
        }
        if source.isInfinite(a) { return sign | target.infinity }
        if source.isZero(a) { return sign }
        if !ignoresDenormals { noteDenormals(a, a, source) }
        return rounded(FiniteNumber(a, source), target)
    }

    /// A signed integer of 32 or 64 bits; the integer indefinite (only the top bit) when it does not fit.
    mutating func toInteger(_ operand: UInt64, _ f: BinaryFormat, bits: Int) -> UInt64 {
        let a = taken(operand, f)
        let indefinite = UInt64(1) << UInt64(bits - 1)
        if f.isZero(a) { return 0 }
        guard !f.isNaN(a), !f.isInfinite(a) else {
            raised |= Self.invalid
            return indefinite
        }
        let number = FiniteNumber(a, f)
        let limit = UInt128(number.isNegative ? indefinite : indefinite - 1)
        guard number.exponent < 64 else {
            raised |= Self.invalid
            return indefinite
        }
        let (magnitude, isInexact) = integral(number)
        guard magnitude <= limit else {
            raised |= Self.invalid
            return indefinite
        }
        if isInexact { raised |= Self.inexact }
        let value = UInt64(magnitude)
        return (number.isNegative ? 0 &- value : value) & (~0 >> UInt64(64 - bits))
    }

    /// The magnitude rounded to an integer; the exponent is below 127.
    private func integral(_ number: FiniteNumber) -> (magnitude: UInt128, isInexact: Bool) {
        // The fraction with its point before the top bit.
        let fraction: UInt128
        var whole: UInt128 = 0
        if number.exponent >= 0 {
            whole = number.significand >> UInt128(127 - number.exponent)
            fraction = number.significand << UInt128(number.exponent + 1)
        } else {
            fraction = FiniteNumber.jam(number.significand, -number.exponent - 1)
        }
        if roundsUp(number.isNegative, isOdd: whole & 1 != 0, fraction, half: UInt128(1) << 127) { whole += 1 }
        return (whole, fraction != 0)
    }

    /// ROUNDPS and its family: control bits 0-1 the rounding, 2 MXCSR's instead, 3 no precision exception.
    mutating func roundToIntegral(_ operand: UInt64, _ f: BinaryFormat, control: Int) -> UInt64 {
        let a = taken(operand, f)
        if let result = quieted([a], f) { return result }
        if f.isZero(a) || f.isInfinite(a) { return a }
        let number = FiniteNumber(a, f)
        guard number.exponent < f.fractionBits else { return a }
        let current = rounding
        if control & 4 == 0 { rounding = Self.rounding(UInt32(control & 3)) }
        defer { rounding = current }
        let (magnitude, isInexact) = integral(number)
        if isInexact, control & 8 == 0 { raised |= Self.inexact }
        let sign = a & f.signBit
        guard magnitude != 0 else { return sign }
        return rounded(
            FiniteNumber(isNegative: number.isNegative, exponent: 127, significand: magnitude), f)
    }

    mutating func fromInteger(_ value: Int64, _ f: BinaryFormat) -> UInt64 {
        guard value != 0 else { return 0 }
        return rounded(FiniteNumber(isNegative: value < 0, exponent: 127, significand: UInt128(value.magnitude)), f)
    }
}
