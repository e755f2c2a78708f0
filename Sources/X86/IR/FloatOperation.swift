/// SSE and AVX floating-point work that the machine does concretely (`Helper.vectorFloat`). `argument` is the immediate byte.
package enum FloatOperation: UInt8, Sendable, CaseIterable {
    case add
    case subtract
    case multiply
    case divide
    /// x86's rule: the second operand when either is a NaN or both are zero.
    case minimum
    case maximum
    /// Of b, like all that follow with one operand.
    case squareRoot
    /// `argument` is the predicate (0-31); all ones or zero.
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
    /// RCPSS, RSQRTSS and their packed forms: approximations of 12 bits, as Intel's processors compute them.
    case reciprocal
    case reciprocalSquareRoot
    /// HADDPS and its family.
    case horizontalAdd
    case horizontalSubtract
    /// ADDSUBPS and ADDSUBPD: even elements subtracted, odd ones added.
    case addSubtract
    /// DPPS, DPPD; `argument` has the masks.
    case dotProduct
    // Fused multiplication and addition: d is an operand as well; `argument` is the order, 132, 213 or 231
    /// x * y + z.
    case multiplyAdd
    /// x * y - z.
    case multiplySubtract
    /// -(x * y) + z.
    case negatedMultiplyAdd
    /// -(x * y) - z.
    case negatedMultiplySubtract
    /// Even elements subtracted, odd ones added; and the other way round.
    case multiplyAddSubtract
    case multiplySubtractAdd
    /// F16C; `argument` of the second is the rounding byte.
    case halfToSingle
    case singleToHalf
}

/// Which elements a floating-point operation works on; the others are those of a.
package enum FloatFormat: UInt8, Sendable, CaseIterable {
    case scalarSingle
    case scalarDouble
    case packedSingle
    case packedDouble

    package var isScalar: Bool { self == .scalarSingle || self == .scalarDouble }
    package var isDouble: Bool { self == .scalarDouble || self == .packedDouble }
}

/// `detail` of `Helper.vectorFloat`: the operation in bits 0-5, the format in bits 6-7, 256 bits in bit 8.
package struct FloatForm: Sendable, Hashable {
    package var operation: FloatOperation
    package var format: FloatFormat
    /// 256 bits of vector length.
    package var isWide: Bool

    package init(_ operation: FloatOperation, _ format: FloatFormat, isWide: Bool) {
        self.operation = operation
        self.format = format
        self.isWide = isWide
    }

    /// nil when the bits name no operation.
    package init?(detail: Int) {
        guard let operation = FloatOperation(rawValue: UInt8(detail & 0x3F)),
            let format = FloatFormat(rawValue: UInt8((detail >> 6) & 3))
        else { return nil }
        self.init(operation, format, isWide: detail & 0x100 != 0)
    }

    package var detail: Int {
        Int(operation.rawValue) | Int(format.rawValue) << 6 | (isWide ? 0x100 : 0)
    }

    /// One source operand, b. Scalar forms still take their upper elements from a.
    package var isMonadic: Bool {
        switch operation {
        case .squareRoot, .singleToDouble, .doubleToSingle, .integersToFloat, .floatToIntegers,
            .floatToIntegersTruncated, .round, .reciprocal, .reciprocalSquareRoot, .halfToSingle, .singleToHalf:
            true
        default: false
        }
    }

    /// The destination is an operand.
    package var isFused: Bool {
        operation.rawValue >= FloatOperation.multiplyAdd.rawValue
            && operation.rawValue <= FloatOperation.multiplySubtractAdd.rawValue
    }

    /// The result's elements are twice as wide as those of b.
    private var isWidening: Bool {
        switch operation {
        case .singleToDouble, .halfToSingle: true
        case .integersToFloat: format == .packedDouble
        default: false
        }
    }

    /// How many 64-bit words of b are read.
    package var sourceWords: Int {
        if format.isScalar { return 1 }
        return (isWide ? 4 : 2) / (isWidening ? 2 : 1)
    }

    /// How many 64-bit words of a are read.
    package var firstWords: Int {
        if format.isScalar { return 2 }
        return isMonadic ? 0 : isWide ? 4 : 2
    }

    /// How many 64-bit words are written.
    package var resultWords: Int { isWide ? 4 : 2 }
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
