import X86

/// An 80-bit operand taken apart (Intel SDM volume 1, 8.2 and table 8-3).
struct X87Operand {
    enum Kind {
        case zero
        case finite
        case infinity
        case quietNaN
        case signalingNaN
        /// Unnormals, pseudo-infinities and pseudo-NaNs: invalid as operands.
        case unsupported
    }

    let kind: Kind
    let isNegative: Bool
    /// Unbiased exponent of the leading bit, for `finite`.
    let exponent: Int
    /// With the leading bit in bit 63 for `finite`; the raw significand for NaNs.
    let significand: UInt64
    /// Denormal or pseudo-denormal.
    let isDenormal: Bool

    init(_ number: ExtendedFloat) {
        isNegative = number.signAndExponent & 0x8000 != 0
        let biased = Int(number.signAndExponent & 0x7FFF)
        let raw = number.significand
        switch biased {
        case 0x7FFF:
            exponent = 0
            significand = raw
            isDenormal = false
            if raw >> 63 == 0 {
                kind = .unsupported
            } else if raw << 1 == 0 {
                kind = .infinity
            } else {
                kind = raw & 1 << 62 != 0 ? .quietNaN : .signalingNaN
            }
        case 0:
            // The exponent field 0 stands for that of 1.
            let shift = raw.leadingZeroBitCount
            kind = raw == 0 ? .zero : .finite
            exponent = 1 - X87Format.extended.bias - (raw == 0 ? 0 : shift)
            significand = raw == 0 ? 0 : raw << UInt64(shift)
            isDenormal = raw != 0
        default:
            kind = raw >> 63 == 0 ? .unsupported : .finite
            exponent = biased - X87Format.extended.bias
            significand = raw
            isDenormal = false
        }
    }

    var isNaN: Bool { kind == .quietNaN || kind == .signalingNaN }
    /// Raises #IA in every operation that computes.
    var isInvalid: Bool { kind == .signalingNaN || kind == .unsupported }
}

/// A floating-point format by its numbers.
struct X87Format {
    /// Significand bits, the leading one included.
    let bits: Int
    let bias: Int
    /// Exponent field of infinities and NaNs.
    let maximumExponent: Int

    static let single = X87Format(bits: 24, bias: 127, maximumExponent: 0xFF)
    static let double = X87Format(bits: 53, bias: 1023, maximumExponent: 0x7FF)
    static let extended = X87Format(bits: 64, bias: 16383, maximumExponent: 0x7FFF)
}

extension ExtendedFloat {
    /// The real indefinite: the answer to an invalid operation.
    static let indefinite = ExtendedFloat(significand: 0xC000_0000_0000_0000, signAndExponent: 0xFFFF)
    static let one = ExtendedFloat(significand: 1 << 63, signAndExponent: 0x3FFF)

    static func zero(isNegative: Bool) -> ExtendedFloat {
        ExtendedFloat(significand: 0, signAndExponent: isNegative ? 0x8000 : 0)
    }

    static func infinity(isNegative: Bool) -> ExtendedFloat {
        ExtendedFloat(significand: 1 << 63, signAndExponent: isNegative ? 0xFFFF : 0x7FFF)
    }

    /// An integer: always exact.
    init(integer: Int64) {
        guard integer != 0 else {
            self.init()
            return
        }
        let shift = integer.magnitude.leadingZeroBitCount
        self.init(
            significand: integer.magnitude << UInt64(shift),
            signAndExponent: UInt16(X87Format.extended.bias + 63 - shift) | (integer < 0 ? 0x8000 : 0))
    }

    /// The NaN with its quiet bit set.
    var quieted: ExtendedFloat {
        ExtendedFloat(significand: significand | 1 << 62, signAndExponent: signAndExponent)
    }

    func withSign(_ isNegative: Bool) -> ExtendedFloat {
        ExtendedFloat(significand: significand, signAndExponent: signAndExponent & 0x7FFF | (isNegative ? 0x8000 : 0))
    }
}
