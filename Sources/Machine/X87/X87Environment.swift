import X86

/// Bits of the x87 status word (Intel SDM volume 1, 8.1.3).
enum X87Status {
    static let invalid: UInt16 = 1 << 0
    static let denormal: UInt16 = 1 << 1
    static let zeroDivide: UInt16 = 1 << 2
    static let overflow: UInt16 = 1 << 3
    static let underflow: UInt16 = 1 << 4
    static let precision: UInt16 = 1 << 5
    static let stackFault: UInt16 = 1 << 6
    static let summary: UInt16 = 1 << 7
    static let c0: UInt16 = 1 << 8
    static let c1: UInt16 = 1 << 9
    static let c2: UInt16 = 1 << 10
    static let c3: UInt16 = 1 << 14
    static let busy: UInt16 = 1 << 15
    /// The six exceptions that have a mask in the control word.
    static let exceptions: UInt16 = 0x3F
    static let conditions: UInt16 = c0 | c1 | c2 | c3
}

/// How one operation rounds, and what it raises.
struct X87Environment {
    enum Rounding: UInt16 {
        case nearest = 0
        case down = 1
        case up = 2
        case towardsZero = 3
    }

    /// The control word: masks in bits 0-5, precision control 8-9, rounding control 10-11.
    let control: UInt16
    /// Exceptions raised so far (`X87Status`).
    var raised: UInt16 = 0
    /// The last rounding went away from zero: C1.
    var roundedUp = false
    /// The operand from memory was a denormal number of its format: #D, unless something more important happens.
    var operandIsDenormal = false
    var rounding: Rounding

    init(control: UInt16) {
        self.control = control
        rounding = Rounding(rawValue: (control >> 10) & 3) ?? .nearest
    }

    /// Significand bits of the results of FADD, FSUB, FMUL, FDIV and FSQRT.
    var precision: Int {
        switch (control >> 8) & 3 {
        case 0: 24
        case 2: 53
        default: 64
        }
    }

    func isUnmasked(_ exception: UInt16) -> Bool { control & exception == 0 }

    /// An exception that keeps the operation from happening is unmasked.
    var stopsOperation: Bool {
        raised & ~control & (X87Status.invalid | X87Status.denormal | X87Status.zeroDivide) != 0
    }

    /// Any raised exception is unmasked.
    var hasUnmasked: Bool { raised & ~control & X87Status.exceptions != 0 }

    mutating func raise(_ exception: UInt16) { raised |= exception }

    /// #IA and its masked answer.
    mutating func invalid() -> ExtendedFloat {
        raise(X87Status.invalid)
        return .indefinite
    }
}

/// A significand cut to fewer bits.
struct RoundedSignificand {
    var value: UInt128
    /// Rounding reached the next power of two: the value is 2^127 then.
    var carried = false
    var isInexact = false
    var wentUp = false
}

extension X87Environment {
    /// Rounds a fixed-point value to a multiple of `unit` (a power of two).
    func rounded(_ value: UInt128, unit: UInt128, isNegative: Bool) -> RoundedSignificand {
        let rest = value & (unit &- 1)
        guard rest != 0 else { return RoundedSignificand(value: value) }
        let lower = value &- rest
        let half = unit >> 1
        let goesUp: Bool =
            switch rounding {
            case .nearest: rest > half || (rest == half && lower & unit != 0)
            case .down: isNegative
            case .up: !isNegative
            case .towardsZero: false
            }
        guard goesUp else { return RoundedSignificand(value: lower, isInexact: true) }
        let sum = lower.addingReportingOverflow(unit)
        return RoundedSignificand(
            value: sum.overflow ? 1 << 127 : sum.partialValue, carried: sum.overflow, isInexact: true, wentUp: true)
    }

    /// Shifts right; ones that fall out leave a one in the lowest bit.
    static func shiftedRight(_ value: UInt128, _ count: Int) -> UInt128 {
        if count <= 0 { return value }
        if count >= 128 { return value == 0 ? 0 : 1 }
        let lost = value & ((1 << UInt128(count)) - 1)
        return value >> UInt128(count) | (lost == 0 ? 0 : 1)
    }

    /// Sign, exponent field and significand (leading bit in bit 63) of a rounded result.
    struct Packed {
        var isNegative: Bool
        var exponent: Int
        var significand: UInt64
    }

    /// Rounds `significand` / 2^127 * 2^`exponent` (leading bit set) to `bits` bits with the range of `format`.
    ///
    /// Raises #O, #U and #P. Unmasked overflow and underflow give the value with the exponent moved by 24576 in the extended
    /// format (Intel SDM volume 1, 8.5.4 and 8.5.5); in the others the caller does not store the result.
    mutating func round(
        isNegative: Bool, exponent: Int, significand: UInt128, bits: Int, format: X87Format
    ) -> Packed {
        let unit = UInt128(1) << UInt128(128 - bits)
        var biased = exponent + format.bias
        var result = rounded(significand, unit: unit, isNegative: isNegative)
        if biased <= 0 {
            // Tiny: below the smallest normal number when rounded with an unbounded exponent.
            let isTiny = biased < 0 || !result.carried
            if isTiny, isUnmasked(X87Status.underflow) {
                raise(X87Status.underflow)
                note(result)
                biased += Self.unmaskedBias + (result.carried ? 1 : 0)
                guard biased > 0 else {
                    // Too small even so (FSCALE).
                    raise(X87Status.precision)
                    roundedUp = false
                    return Packed(isNegative: isNegative, exponent: 0, significand: 0)
                }
                return Packed(isNegative: isNegative, exponent: biased & 0x7FFF, significand: Self.high(result.value))
            }
            result = rounded(
                Self.shiftedRight(significand, 1 - biased), unit: unit, isNegative: isNegative)
            if result.isInexact, isTiny { raise(X87Status.underflow) }
            note(result)
            let value = Self.high(result.value)
            return Packed(isNegative: isNegative, exponent: value >> 63 == 0 ? 0 : 1, significand: value)
        }
        if result.carried { biased += 1 }
        guard biased >= format.maximumExponent else {
            note(result)
            return Packed(isNegative: isNegative, exponent: biased, significand: Self.high(result.value))
        }
        raise(X87Status.overflow)
        if isUnmasked(X87Status.overflow) {
            note(result)
            biased -= Self.unmaskedBias
            if biased >= format.maximumExponent {
                raise(X87Status.precision)
                roundedUp = true
                return Packed(isNegative: isNegative, exponent: format.maximumExponent, significand: 1 << 63)
            }
            return Packed(isNegative: isNegative, exponent: biased & 0x7FFF, significand: Self.high(result.value))
        }
        raise(X87Status.precision)
        let toInfinity = rounding == .nearest || rounding == (isNegative ? .down : .up)
        roundedUp = toInfinity
        return toInfinity
            ? Packed(isNegative: isNegative, exponent: format.maximumExponent, significand: 1 << 63)
            : Packed(
                isNegative: isNegative, exponent: format.maximumExponent - 1,
                significand: Self.high(~(unit &- 1)))
    }

    /// What unmasked overflow and underflow take from or add to the exponent of a result in a register.
    private static let unmaskedBias = 24576

    private static func high(_ value: UInt128) -> UInt64 { UInt64(truncatingIfNeeded: value >> 64) }

    mutating func note(_ result: RoundedSignificand) {
        if result.isInexact { raise(X87Status.precision) }
        roundedUp = result.wentUp
    }

    /// Rounds to an 80-bit number with `bits` significand bits.
    mutating func extended(
        isNegative: Bool, exponent: Int, significand: UInt128, bits: Int = 64
    ) -> ExtendedFloat {
        let packed = round(
            isNegative: isNegative, exponent: exponent, significand: significand, bits: bits, format: .extended)
        return ExtendedFloat(
            significand: packed.significand,
            signAndExponent: UInt16(truncatingIfNeeded: packed.exponent) | (isNegative ? 0x8000 : 0))
    }
}
