/// An IEEE 754 binary format of at most 64 bits.
struct BinaryFormat: Equatable {
    /// Bits of the fraction, the hidden one not counted.
    let fractionBits: Int
    let exponentBits: Int

    static let half = BinaryFormat(fractionBits: 10, exponentBits: 5)
    static let single = BinaryFormat(fractionBits: 23, exponentBits: 8)
    static let double = BinaryFormat(fractionBits: 52, exponentBits: 11)

    var bias: Int { 1 << (exponentBits - 1) - 1 }
    var minimumExponent: Int { 1 - bias }
    var maximumExponent: Int { bias }
    var exponentMask: UInt64 { 1 << UInt64(exponentBits) - 1 }
    var fractionMask: UInt64 { 1 << UInt64(fractionBits) - 1 }
    var signBit: UInt64 { 1 << UInt64(fractionBits + exponentBits) }
    /// Set in quiet NaNs.
    var quietBit: UInt64 { 1 << UInt64(fractionBits - 1) }
    var infinity: UInt64 { exponentMask << UInt64(fractionBits) }
    var largest: UInt64 { infinity - 1 }
    var one: UInt64 { UInt64(bias) << UInt64(fractionBits) }
    /// The real indefinite: what an invalid operation delivers.
    var indefinite: UInt64 { signBit | infinity | quietBit }

    func isNaN(_ bits: UInt64) -> Bool { bits & ~signBit > infinity }
    func isSignalling(_ bits: UInt64) -> Bool { isNaN(bits) && bits & quietBit == 0 }
    func isInfinite(_ bits: UInt64) -> Bool { bits & ~signBit == infinity }
    func isZero(_ bits: UInt64) -> Bool { bits & ~signBit == 0 }
    func isNegative(_ bits: UInt64) -> Bool { bits & signBit != 0 }
    func isDenormal(_ bits: UInt64) -> Bool { bits & infinity == 0 && bits & fractionMask != 0 }
    func isNormal(_ bits: UInt64) -> Bool { bits & infinity != 0 && bits & infinity != infinity }
}

/// A finite number other than zero: `significand` * 2^(`exponent` - 127), the significand's top bit set.
struct FiniteNumber {
    var isNegative: Bool
    var exponent: Int
    var significand: UInt128

    /// Any significand but zero is shifted to its place.
    init(isNegative: Bool, exponent: Int, significand: UInt128) {
        let shift = significand.leadingZeroBitCount
        self.isNegative = isNegative
        self.exponent = exponent - shift
        self.significand = significand << UInt128(shift)
    }

    /// The value of a bit pattern that is neither zero, infinite nor NaN.
    init(_ bits: UInt64, _ format: BinaryFormat) {
        let field = Int((bits >> UInt64(format.fractionBits)) & format.exponentMask)
        let fraction = UInt128(bits & format.fractionMask)
        let hidden = field == 0 ? 0 : UInt128(1) << UInt128(format.fractionBits)
        self.init(
            isNegative: format.isNegative(bits), exponent: max(field, 1) - format.bias + 127 - format.fractionBits,
            significand: fraction | hidden)
    }

    /// The significand shifted right; bits that fall out leave a one at the bottom.
    static func jam(_ significand: UInt128, _ shift: Int) -> UInt128 {
        guard shift > 0 else { return significand }
        guard shift < 128 else { return significand == 0 ? 0 : 1 }
        let lost = significand & (UInt128(1) << UInt128(shift) &- 1)
        return significand >> UInt128(shift) | (lost != 0 ? 1 : 0)
    }
}
