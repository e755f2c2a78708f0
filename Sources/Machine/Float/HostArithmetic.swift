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
