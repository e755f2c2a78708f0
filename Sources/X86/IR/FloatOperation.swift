/// SSE floating-point work that the machine does concretely: `detail` of `Helper.vectorFloat` is `operation | format << 8`.
package enum FloatOperation: UInt8, Sendable, CaseIterable {
    case add
    case subtract
    case multiply
    case divide
    /// x86's rule: the second operand when either is a NaN or both are zero.
    case minimum
    case maximum
    case squareRoot
    /// `argument` is the predicate (0-7); all ones or zero.
    case compare
    /// Packed and scalar conversions between formats; `format` is that of the source.
    case singleToDouble
    case doubleToSingle
    /// Packed 32-bit integers to floating point; `format` is that of the result.
    case integersToFloat
    /// Packed floating point to 32-bit integers, rounded as MXCSR says.
    case floatToIntegers
    /// The same, truncated.
    case floatToIntegersTruncated
    /// ROUNDSS and its family (SSE4.1); `argument` is the immediate byte.
    case round
}

/// Which elements a floating-point operation works on; the others of the destination stay.
package enum FloatFormat: UInt8, Sendable, CaseIterable {
    case scalarSingle
    case scalarDouble
    case packedSingle
    case packedDouble
}

/// Scalar conversions between general registers and floating point: `detail` of `Helper.convertFloat`.
package enum FloatConversion: UInt8, Sendable, CaseIterable {
    case int32ToSingle
    case int64ToSingle
    case int32ToDouble
    case int64ToDouble
    case singleToInt32
    case singleToInt64
    case doubleToInt32
    case doubleToInt64
    case singleToInt32Truncated
    case singleToInt64Truncated
    case doubleToInt32Truncated
    case doubleToInt64Truncated
}
