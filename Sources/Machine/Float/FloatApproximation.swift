/// RCPPS and RSQRTPS as Intel's processors compute them.
///
/// The manual bounds the relative error by 1.5 * 2^-12. Intel's result depends on the upper bits of the operand only: it is the value for the
/// middle of the interval of all operands with these bits, rounded to 13 bits behind the point (checked against every interval on a
/// processor). No exception is raised, MXCSR has no influence; denormal operands are zero.
enum FloatApproximation {
    private static let format = BinaryFormat.single
    /// Units of the rounded value.
    private static let scale = 8192.0

    static func reciprocal(_ operand: UInt64) -> UInt64 {
        let sign = operand & format.signBit
        if let special = special(operand, sign) { return special }
        let interval = Double((operand & format.fractionMask) >> 12)
        let value = (scale / (1 + (interval + 0.5) / 2048)).rounded()
        let field = Int((operand & format.infinity) >> 23)
        return sign | packed(value, field: 253 - field)
    }

    static func reciprocalSquareRoot(_ operand: UInt64) -> UInt64 {
        let sign = operand & format.signBit
        if let special = special(operand, sign) { return sign != 0 && special == sign ? format.indefinite : special }
        if sign != 0 { return format.indefinite }
        let interval = Double((operand & format.fractionMask) >> 13)
        let exponent = Int((operand & format.infinity) >> 23) - format.bias
        let isOdd = exponent & 1 != 0
        let middle = (1 + (interval + 0.5) / 1024) * (isOdd ? 2 : 1)
        let value = (scale / middle.squareRoot()).rounded()
        return packed(value, field: 126 - (exponent - (isOdd ? 1 : 0)) / 2)
    }

    /// The result for NaNs, infinities, zeros and denormals.
    private static func special(_ operand: UInt64, _ sign: UInt64) -> UInt64? {
        if format.isNaN(operand) { return operand | format.quietBit }
        if format.isInfinite(operand) { return sign }
        return operand & format.infinity == 0 ? sign | format.infinity : nil
    }

    /// `value` is in [4096, 8192): the fraction of 12 bits with its hidden bit. A result below the normal numbers is zero.
    private static func packed(_ value: Double, field: Int) -> UInt64 {
        guard field > 0 else { return 0 }
        return UInt64(field) << 23 | (UInt64(value) - 4096) << 11
    }
}
