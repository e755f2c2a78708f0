import X86

/// The host's arithmetic for the common case: normal operands and a result far from the ends of the range, rounded to nearest, with
/// the precision exception already noted and masked. Then no flag can change, and IEEE 754 leaves one result.
enum HostArithmetic {
    static func isAllowed(_ mxcsr: UInt32) -> Bool {
        mxcsr & (3 << 13) == 0 && mxcsr & FloatUnit.inexact != 0 && mxcsr & (FloatUnit.inexact << 7) != 0
    }

    /// nil when the case is not common.
    @inline(__always)
    static func compute(_ operation: FloatOperation, _ x: UInt64, _ y: UInt64, isDouble: Bool) -> UInt64? {
        if isDouble {
            let b = Double(bitPattern: y)
            guard isCommon(y), operation == .squareRoot || isCommon(x) else { return nil }
            let result = apply(operation, Double(bitPattern: x), b).bitPattern
            return isCommon(result) ? result : nil
        }
        let first = UInt32(truncatingIfNeeded: x)
        let second = UInt32(truncatingIfNeeded: y)
        guard isCommon(second), operation == .squareRoot || isCommon(first) else { return nil }
        let result = apply(operation, Float(bitPattern: first), Float(bitPattern: second)).bitPattern
        return isCommon(result) ? UInt64(result) : nil
    }

    /// x * y + z, alike.
    @inline(__always)
    static func fuse(_ x: UInt64, _ y: UInt64, _ z: UInt64, isDouble: Bool) -> UInt64? {
        if isDouble {
            guard isCommon(x), isCommon(y), isCommon(z) else { return nil }
            let result = Double(bitPattern: z).addingProduct(Double(bitPattern: x), Double(bitPattern: y)).bitPattern
            return isCommon(result) ? result : nil
        }
        let first = UInt32(truncatingIfNeeded: x)
        let second = UInt32(truncatingIfNeeded: y)
        let third = UInt32(truncatingIfNeeded: z)
        guard isCommon(first), isCommon(second), isCommon(third) else { return nil }
        let result = Float(bitPattern: third).addingProduct(Float(bitPattern: first), Float(bitPattern: second))
            .bitPattern
        return isCommon(result) ? UInt64(result) : nil
    }

    /// The order of two numbers that are neither NaNs nor denormal: no flag can change, whatever MXCSR says.
    @inline(__always)
    static func order(_ x: UInt64, _ y: UInt64, isDouble: Bool) -> FloatUnit.Order? {
        if isDouble {
            guard isCommon(x) || x << 1 == 0, isCommon(y) || y << 1 == 0 else { return nil }
            let (a, b) = (Double(bitPattern: x), Double(bitPattern: y))
            return a < b ? .less : a == b ? .equal : .greater
        }
        let (first, second) = (UInt32(truncatingIfNeeded: x), UInt32(truncatingIfNeeded: y))
        guard isCommon(first) || first << 1 == 0, isCommon(second) || second << 1 == 0 else { return nil }
        let (a, b) = (Float(bitPattern: first), Float(bitPattern: second))
        return a < b ? .less : a == b ? .equal : .greater
    }

    /// The conversions of doubles that programs do most: exact ones, and truncation when inexactness is already noted and masked.
    @inline(__always)
    static func convert(_ conversion: FloatConversion, _ a: UInt64, _ mxcsr: UInt32) -> UInt64? {
        switch conversion {
        case .int32ToDouble: return Double(Int32(truncatingIfNeeded: a)).bitPattern
        case .int64ToDouble:
            let value = Int64(bitPattern: a)
            return value.magnitude >> 53 == 0 ? Double(value).bitPattern : nil
        case .doubleToInt32Truncated, .doubleToInt64Truncated:
            let value = Double(bitPattern: a)
            let limit: Double = conversion == .doubleToInt32Truncated ? 0x1p31 : 0x1p63
            guard value > -limit, value < limit else { return nil }
            let result = Int64(value)
            let noted = FloatUnit.inexact | FloatUnit.inexact << 7
            guard Double(result) == value || mxcsr & noted == noted else { return nil }
            let bits = UInt64(bitPattern: result)
            return conversion == .doubleToInt32Truncated ? bits & 0xFFFF_FFFF : bits
        default: return nil
        }
    }

    @inline(__always)
    private static func apply<Number: BinaryFloatingPoint>(
        _ operation: FloatOperation, _ a: Number, _ b: Number
    ) -> Number {
        switch operation {
        case .add: a + b
        case .subtract: a - b
        case .multiply: a * b
        case .divide: a / b
        default: b.squareRoot()
        }
    }

    /// A normal number with an exponent field of 2 to the largest but one.
    @inline(__always)
    private static func isCommon(_ bits: UInt64) -> Bool { (bits >> 52) & 0x7FF &- 2 < 0x7FC }

    @inline(__always)
    private static func isCommon(_ bits: UInt32) -> Bool { (bits >> 23) & 0xFF &- 2 < 0xFC }
}
