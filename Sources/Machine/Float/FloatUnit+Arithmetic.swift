// The elementary operations on bit patterns
extension FloatUnit {
    mutating func add(_ first: UInt64, _ second: UInt64, _ f: BinaryFormat, subtracts: Bool = false) -> UInt64 {
        let a = taken(first, f)
        let b = taken(second, f)
        if let result = quieted([a, b], f) { return result }
        noteDenormals(a, b, f)
        return exactSum(a, subtracts ? b ^ f.signBit : b, f)
    }

    /// a + b of numbers that are not NaNs, with the denormal exception noted before.
    private mutating func exactSum(_ a: UInt64, _ b: UInt64, _ f: BinaryFormat) -> UInt64 {
        if f.isInfinite(a) {
            guard f.isInfinite(b), a != b else { return a }
            return invalidResult(f)
        }
        if f.isInfinite(b) { return b }
        switch (f.isZero(a), f.isZero(b)) {
        case (true, true): return a == b ? a : rounding == .down ? f.signBit : 0
        case (true, false): return rounded(FiniteNumber(b, f), f)
        case (false, true): return rounded(FiniteNumber(a, f), f)
        default: return sum(FiniteNumber(a, f), FiniteNumber(b, f), f)
        }
    }

    /// The indefinite NaN; an invalid operation hides a denormal operand of the same element.
    private mutating func invalidResult(_ f: BinaryFormat) -> UInt64 {
        raised |= Self.invalid
        return f.indefinite
    }

    mutating func multiply(_ first: UInt64, _ second: UInt64, _ f: BinaryFormat) -> UInt64 {
        let a = taken(first, f)
        let b = taken(second, f)
        if let result = quieted([a, b], f) { return result }
        let sign = (a ^ b) & f.signBit
        if f.isInfinite(a) || f.isInfinite(b) {
            if f.isZero(a) || f.isZero(b) { return invalidResult(f) }
            noteDenormals(a, b, f)
            return sign | f.infinity
        }
        noteDenormals(a, b, f)
        if f.isZero(a) || f.isZero(b) { return sign }
        return rounded(Self.product(FiniteNumber(a, f), FiniteNumber(b, f)), f)
    }

    mutating func divide(_ first: UInt64, _ second: UInt64, _ f: BinaryFormat) -> UInt64 {
        let a = taken(first, f)
        let b = taken(second, f)
        if let result = quieted([a, b], f) { return result }
        let sign = (a ^ b) & f.signBit
        if f.isInfinite(a) {
            if f.isInfinite(b) { return invalidResult(f) }
            noteDenormals(a, b, f)
            return sign | f.infinity
        }
        if f.isZero(b) {
            if f.isZero(a) { return invalidResult(f) }
            raised |= Self.divideByZero
            return sign | f.infinity
        }
        noteDenormals(a, b, f)
        if f.isInfinite(b) || f.isZero(a) { return sign }
        let x = FiniteNumber(a, f)
        let y = FiniteNumber(b, f)
        let dividend = UInt64(x.significand >> 64)
        let divisor = UInt64(y.significand >> 64)
        // Half of the dividend is below the divisor, so the quotient fits.
        let (quotient, rest) = divisor.dividingFullWidth((dividend >> 1, dividend << 63))
        return rounded(
            FiniteNumber(
                isNegative: sign != 0, exponent: x.exponent - y.exponent,
                significand: UInt128(quotient) << 64 | (rest != 0 ? 1 : 0)), f)
    }

    mutating func squareRoot(_ operand: UInt64, _ f: BinaryFormat) -> UInt64 {
        let a = taken(operand, f)
        if let result = quieted([a], f) { return result }
        if f.isZero(a) { return a }
        if f.isNegative(a) { return invalidResult(f) }
        if f.isInfinite(a) { return a }
        noteDenormals(a, a, f)
        let x = FiniteNumber(a, f)
        // value = n * 2^(x.exponent - 126) or 2^(x.exponent - 127), the exponent even.
        let isOdd = x.exponent & 1 != 0
        let radicand = isOdd ? x.significand : x.significand >> 1
        let exponent = isOdd ? x.exponent - 127 : x.exponent - 126
        let root = Self.integerRoot(radicand)
        let isExact = UInt128(root) * UInt128(root) == radicand
        return rounded(
            FiniteNumber(
                isNegative: false, exponent: exponent / 2 + 63, significand: UInt128(root) << 64 | (isExact ? 0 : 1)), f
        )
    }

    /// The largest integer whose square is not above `value`, which has its top or second bit set.
    static func integerRoot(_ value: UInt128) -> UInt64 {
        let estimate = Double(UInt64(value >> 64)).squareRoot() * 4_294_967_296
        var root = UInt128(min(estimate, 18_446_744_073_709_549_568))
        // One step of Newton's method brings 52 bits to more than 64.
        root = (root + value / max(root, 1)) / 2
        root = min(root, UInt128(UInt64.max))
        while root * root > value { root -= 1 }
        while root < UInt128(UInt64.max), (root + 1) * (root + 1) <= value { root += 1 }
        return UInt64(root)
    }

    /// x * y + z with one rounding.
    ///
    /// - Parameters:
    ///   - negatesProduct, negatesAddend: signs that do not touch NaNs.
    mutating func multiplyAdd(
        _ x: UInt64, _ y: UInt64, _ z: UInt64, _ f: BinaryFormat, negatesProduct: Bool, negatesAddend: Bool
    ) -> UInt64 {
        let a = taken(x, f)
        let b = taken(y, f)
        var c = taken(z, f)
        let isUndefined = (f.isInfinite(a) && f.isZero(b)) || (f.isZero(a) && f.isInfinite(b))
        if let result = quieted([a, b, c], f) { return result }
        if isUndefined { return invalidResult(f) }
        if negatesAddend { c ^= f.signBit }
        let sign = (a ^ b) & f.signBit ^ (negatesProduct ? f.signBit : 0)
        if f.isInfinite(a) || f.isInfinite(b) {
            if f.isInfinite(c), c & f.signBit != sign { return invalidResult(f) }
            noteDenormals(a, b, f)
            noteDenormals(c, c, f)
            return sign | f.infinity
        }
        noteDenormals(a, b, f)
        noteDenormals(c, c, f)
        if f.isInfinite(c) { return c }
        if f.isZero(a) || f.isZero(b) { return exactSum(sign, c, f) }
        var product = Self.product(FiniteNumber(a, f), FiniteNumber(b, f))
        product.isNegative = sign != 0
        if f.isZero(c) { return rounded(product, f) }
        return sum(product, FiniteNumber(c, f), f)
    }

    // MARK: Comparison

    enum Order {
        case less
        case equal
        case greater
        case unordered
    }

    /// The order of two operands after DAZ; raises denormal, and invalid for signalling NaNs or, unless quiet, for all.
    mutating func order(_ first: UInt64, _ second: UInt64, _ f: BinaryFormat, isQuiet: Bool) -> Order {
        let a = taken(first, f)
        let b = taken(second, f)
        if f.isNaN(a) || f.isNaN(b) {
            if !isQuiet || f.isSignalling(a) || f.isSignalling(b) { raised |= Self.invalid }
            return .unordered
        }
        noteDenormals(a, b, f)
        if a == b || (f.isZero(a) && f.isZero(b)) { return .equal }
        let isLess: Bool =
            switch (f.isNegative(a), f.isNegative(b)) {
            case (true, false): true
            case (false, true): false
            case (true, true): a > b
            default: a < b
            }
        return isLess ? .less : .greater
    }

    /// MIN and MAX: the second operand unless the first one is really smaller or greater.
    mutating func extremum(_ first: UInt64, _ second: UInt64, _ f: BinaryFormat, isMinimum: Bool) -> UInt64 {
        let wanted: Order = isMinimum ? .less : .greater
        return order(first, second, f, isQuiet: false) == wanted ? taken(first, f) : taken(second, f)
    }

    /// A predicate of VCMPPS and its family (Intel SDM volume 2, CMPPD, table 3-1).
    mutating func compare(_ first: UInt64, _ second: UInt64, _ f: BinaryFormat, predicate: Int) -> Bool {
        // Predicates 16-31 differ from 0-15 in what a quiet NaN does.
        let signals = [1, 2, 5, 6, 9, 10, 13, 14].contains(predicate & 15)
        let order = order(first, second, f, isQuiet: signals == (predicate & 16 != 0))
        switch predicate & 15 {
        case 0: return order == .equal
        case 1: return order == .less
        case 2: return order == .less || order == .equal
        case 3: return order == .unordered
        case 4: return order != .equal
        case 5: return order != .less
        case 6: return order == .greater || order == .unordered
        case 7: return order != .unordered
        case 8: return order == .equal || order == .unordered
        case 9: return order == .less || order == .unordered
        case 10: return order != .greater
        case 11: return false
        case 12: return order == .less || order == .greater
        case 13: return order == .greater || order == .equal
        case 14: return order == .greater
        default: return true
        }
    }
}
