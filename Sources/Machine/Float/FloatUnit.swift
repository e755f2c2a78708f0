/// SSE floating-point arithmetic in integers (IEEE 754-2008, Intel SDM volume 1, chapters 4.8-4.9, 11.5 and appendix E).
///
/// One unit computes one instruction: exceptions of all elements gather in `raised`. The results are the masked responses; an unmasked
/// exception discards them.
struct FloatUnit {
    /// MXCSR exception bits (Intel SDM volume 1, 10.2.3).
    static let invalid: UInt32 = 1
    static let denormal: UInt32 = 2
    static let divideByZero: UInt32 = 4
    static let overflow: UInt32 = 8
    static let underflow: UInt32 = 0x10
    static let inexact: UInt32 = 0x20
    /// Those that are found before anything is computed.
    static let early: UInt32 = invalid | denormal | divideByZero

    static let denormalsAreZero: UInt32 = 0x40
    static let flushToZero: UInt32 = 0x8000

    enum Rounding: UInt32 {
        case nearest
        case down
        case up
        case towardZero
    }

    var rounding: Rounding
    var takesDenormalsAsZero: Bool
    var flushesToZero: Bool
    /// Exceptions that are masked, in the bits of `raised`.
    private let masked: UInt32
    var raised: UInt32 = 0
    /// Those of earlier steps of an instruction that has several; they stay whatever the present step comes to.
    private(set) var settled: UInt32 = 0

    init(mxcsr: UInt32) {
        rounding = Self.rounding(mxcsr >> 13)
        takesDenormalsAsZero = mxcsr & Self.denormalsAreZero != 0
        masked = mxcsr >> 7 & 0x3F
        flushesToZero = mxcsr & Self.flushToZero != 0 && masked & Self.underflow != 0
    }

    /// Ends a step of an instruction that has several.
    ///
    /// - Returns: false when an unmasked exception was found: the instruction ends here.
    mutating func finishStep() -> Bool {
        guard raised & ~masked == 0 else { return false }
        settled |= raised
        raised = 0
        return true
    }

    static func rounding(_ field: UInt32) -> Rounding { Rounding(rawValue: field & 3) ?? .nearest }

    // MARK: Operands

    /// The operand as the unit sees it: a denormal is zero under DAZ.
    func taken(_ bits: UInt64, _ f: BinaryFormat) -> UInt64 {
        takesDenormalsAsZero && f.isDenormal(bits) ? bits & f.signBit : bits
    }

    mutating func noteDenormals(_ a: UInt64, _ b: UInt64, _ f: BinaryFormat) {
        if f.isDenormal(a) || f.isDenormal(b) { raised |= Self.denormal }
    }

    /// The result for NaN operands: the first one, made quiet.
    mutating func quieted(_ operands: [UInt64], _ f: BinaryFormat) -> UInt64? {
        guard let first = operands.first(where: f.isNaN) else { return nil }
        if operands.contains(where: f.isSignalling) { raised |= Self.invalid }
        return first | f.quietBit
    }

    // MARK: Rounding

    /// Whether `rest`, of which `half` is the middle, rounds the magnitude up.
    func roundsUp(_ isNegative: Bool, isOdd: Bool, _ rest: UInt128, half: UInt128) -> Bool {
        switch rounding {
        case .nearest: rest > half || (rest == half && isOdd)
        case .down: isNegative && rest != 0
        case .up: !isNegative && rest != 0
        case .towardZero: false
        }
    }

    /// A number rounded to a format, with overflow, underflow and inexactness; tininess is found after rounding.
    mutating func rounded(_ number: FiniteNumber, _ f: BinaryFormat) -> UInt64 {
        let precision = f.fractionBits + 1
        let sign = number.isNegative ? f.signBit : 0
        let dropped = UInt128(128 - precision)
        let half = UInt128(1) << (dropped - 1)

        func cut(_ significand: UInt128) -> (kept: UInt64, isInexact: Bool) {
            let rest = significand & (UInt128(1) << dropped - 1)
            var kept = UInt64(significand >> dropped)
            if roundsUp(number.isNegative, isOdd: kept & 1 != 0, rest, half: half) { kept += 1 }
            return (kept, rest != 0)
        }

        var (kept, isInexact) = cut(number.significand)
        var exponent = number.exponent
        if kept >> UInt64(precision) != 0 {
            kept >>= 1
            exponent += 1
        }
        if exponent < f.minimumExponent {
            if flushesToZero {
                raised |= Self.underflow | Self.inexact
                return sign
            }
            guard masked & Self.underflow != 0 else {
                // A handler would get the number with another exponent, so only that rounding counts.
                raised |= Self.underflow | (isInexact ? Self.inexact : 0)
                return sign
            }
            let shift = f.minimumExponent - number.exponent
            (kept, isInexact) = cut(FiniteNumber.jam(number.significand, shift))
            if isInexact { raised |= Self.underflow | Self.inexact }
            // A carry into the hidden bit makes it the smallest normal number.
            return sign | kept
        }
        if exponent > f.maximumExponent {
            raised |= Self.overflow | (isInexact || masked & Self.overflow != 0 ? Self.inexact : 0)
            let towardInfinity = roundsUp(number.isNegative, isOdd: true, 1, half: 1)
            return sign | (towardInfinity ? f.infinity : f.largest)
        }
        if isInexact { raised |= Self.inexact }
        return sign | UInt64(exponent + f.bias) << UInt64(f.fractionBits) | kept & f.fractionMask
    }

    /// The sum of two numbers; zero has the sign that the rounding asks for.
    mutating func sum(_ a: FiniteNumber, _ b: FiniteNumber, _ f: BinaryFormat) -> UInt64 {
        // Two bits of room at the top; products have 22 zeros at the bottom, so nothing that matters is lost.
        var (large, small) = a.exponent >= b.exponent ? (a, b) : (b, a)
        let first = large.significand >> 2
        let second = FiniteNumber.jam(small.significand >> 2, large.exponent - small.exponent)
        if large.isNegative == small.isNegative {
            return rounded(
                FiniteNumber(
                    isNegative: large.isNegative, exponent: large.exponent + 2, significand: first + second), f)
        }
        if first == second { return rounding == .down ? f.signBit : 0 }
        if first < second { swap(&large, &small) }
        let difference = first > second ? first - second : second - first
        let exponent = max(a.exponent, b.exponent)
        return rounded(
            FiniteNumber(isNegative: large.isNegative, exponent: exponent + 2, significand: difference), f)
    }

    /// The exact product.
    static func product(_ a: FiniteNumber, _ b: FiniteNumber) -> FiniteNumber {
        let x = UInt64(a.significand >> 64)
        let y = UInt64(b.significand >> 64)
        let wide = x.multipliedFullWidth(by: y)
        return FiniteNumber(
            isNegative: a.isNegative != b.isNegative, exponent: a.exponent + b.exponent + 1,
            significand: UInt128(wide.high) << 64 | UInt128(wide.low))
    }
}
