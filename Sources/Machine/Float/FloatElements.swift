import Glibc
import X86

/// A 128-bit value seen as 32- or 64-bit elements.
struct FloatLanes {
    var low: UInt64
    var high: UInt64

    subscript(double lane: Int) -> UInt64 {
        get { lane == 0 ? low : high }
        set { if lane == 0 { low = newValue } else { high = newValue } }
    }

    subscript(single lane: Int) -> UInt32 {
        get { UInt32(truncatingIfNeeded: self[double: lane / 2] >> UInt64(lane % 2 * 32)) }
        set {
            let shift = UInt64(lane % 2 * 32)
            self[double: lane / 2] = self[double: lane / 2] & ~(0xFFFF_FFFF << shift) | UInt64(newValue) << shift
        }
    }
}

/// Element-wise SSE operations.
enum FloatElements {
    /// One element of a dyadic or monadic operation (the latter on b).
    static func compute<Number: VectorElement>(
        _ operation: FloatOperation, _ a: Number, _ b: Number, argument: Int, _ mxcsr: UInt32,
        _ raised: inout UInt32, mask: Number
    ) -> Number {
        let isMonadic = operation == .squareRoot || operation == .round
        let anyNaN = b.isNaN || (!isMonadic && a.isNaN)
        if !anyNaN, b.isSubnormal || (!isMonadic && a.isSubnormal) { raised |= HostFloat.denormal }
        switch operation {
        case .add, .subtract, .multiply, .divide:
            if anyNaN {
                // The first NaN, made quiet.
                if a.isSignalingNaN || b.isSignalingNaN { raised |= HostFloat.invalid }
                return a.isNaN ? a.quieted : b.quieted
            }
            var result = b
            let code = Int(operation.rawValue)
            raised |= HostFloat.observe(mxcsr) { Self.apply(code, a, b, &result) }
            return result
        case .squareRoot:
            if b.isNaN {
                if b.isSignalingNaN { raised |= HostFloat.invalid }
                return b.quieted
            }
            if b < 0 {
                raised |= HostFloat.invalid
                raised &= ~HostFloat.denormal
                return -Number.nan
            }
            var result = b
            raised |= HostFloat.observe(mxcsr) { Self.squareRoot(b, &result) }
            return result
        case .minimum, .maximum:
            if anyNaN {
                raised |= HostFloat.invalid
                return b
            }
            return operation == .minimum ? (a < b ? a : b) : (a > b ? a : b)
        case .compare:
            let predicate = argument & 7
            let signals = predicate & 3 == 1 || predicate & 3 == 2
            if anyNaN {
                if signals || a.isSignalingNaN || b.isSignalingNaN { raised |= HostFloat.invalid }
            }
            let isTrue: Bool =
                switch predicate & 3 {
                case 0: a == b
                case 1: a < b
                case 2: a <= b
                default: anyNaN
                }
            return isTrue != (predicate >= 4) ? mask : 0
        default:
            if b.isSignalingNaN {
                raised |= HostFloat.invalid
                return b.quieted
            }
            raised &= ~HostFloat.denormal
            let mode = argument & 4 != 0 ? Int(mxcsr >> 13) & 3 : argument & 3
            let result = b.rounded(FloatConverter.rule(UInt32(mode)))
            if argument & 8 == 0, result != b, !b.isNaN { raised |= HostFloat.inexact }
            return result
        }
    }

    @inline(never)
    private static func apply<Number: BinaryFloatingPoint>(
        _ operation: Int, _ a: Number, _ b: Number, _ result: inout Number
    ) {
        result = HostFloat.arithmetic(operation, a, b)
    }

    @inline(never)
    private static func squareRoot<Number: BinaryFloatingPoint>(_ a: Number, _ result: inout Number) {
        result = a.squareRoot()
    }
}

/// Conversions between floating point and integers.
enum FloatConverter {
    static func rule(_ mode: UInt32) -> FloatingPointRoundingRule {
        switch mode {
        case 0: .toNearestOrEven
        case 1: .down
        case 2: .up
        default: .towardZero
        }
    }

    /// The integer indefinite value (only the top bit) when the value does not fit.
    static func toInteger(_ value: Double, _ bits: Int, _ mode: UInt32, _ raised: inout UInt32) -> UInt64 {
        let rounded = value.rounded(rule(mode))
        let limit = bits == 64 ? 9_223_372_036_854_775_808.0 : 2_147_483_648.0
        guard !value.isNaN, rounded >= -limit, rounded < limit else {
            raised |= HostFloat.invalid
            return 1 << UInt64(bits - 1)
        }
        if rounded != value { raised |= HostFloat.inexact }
        let integer = UInt64(bitPattern: Int64(rounded))
        return bits == 64 ? integer : integer & 0xFFFF_FFFF
    }

    static func fromInteger(_ value: Int64, isSingle: Bool, _ mxcsr: UInt32, _ raised: inout UInt32) -> UInt64 {
        var result: UInt64 = 0
        raised |= HostFloat.observe(mxcsr) { convertInteger(value, isSingle: isSingle, &result) }
        return result
    }

    @inline(never)
    private static func convertInteger(_ value: Int64, isSingle: Bool, _ result: inout UInt64) {
        result = isSingle ? UInt64(Float(value).bitPattern) : Double(value).bitPattern
    }

    @inline(never)
    private static func narrow(_ value: Double, _ result: inout Float) { result = Float(value) }

    private static func single(_ value: Double, _ mxcsr: UInt32, _ raised: inout UInt32) -> UInt32 {
        if value.isSubnormal { raised |= HostFloat.denormal }
        var result: Float = 0
        raised |= HostFloat.observe(mxcsr) { narrow(value, &result) }
        return result.bitPattern
    }

    @inline(never)
    private static func widen(_ value: Float, _ result: inout Double) { result = Double(value) }

    private static func double(_ value: Float, _ mxcsr: UInt32, _ raised: inout UInt32) -> UInt64 {
        if value.isSubnormal { raised |= HostFloat.denormal }
        var result: Double = 0
        raised |= HostFloat.observe(mxcsr) { widen(value, &result) }
        return result.bitPattern
    }

    static func convert(
        _ operation: FloatOperation, _ format: FloatFormat, _ source: FloatLanes, _ result: inout FloatLanes,
        _ mxcsr: UInt32, _ raised: inout UInt32
    ) {
        switch (operation, format) {
        case (.singleToDouble, .scalarSingle):
            result[double: 0] = double(Float(bitPattern: source[single: 0]), mxcsr, &raised)
        case (.singleToDouble, _):
            for lane in 0..<2 {
                result[double: lane] = double(Float(bitPattern: source[single: lane]), mxcsr, &raised)
            }
        case (.doubleToSingle, .scalarDouble):
            result[single: 0] = single(Double(bitPattern: source[double: 0]), mxcsr, &raised)
        case (.doubleToSingle, _):
            for lane in 0..<2 {
                result[single: lane] = single(Double(bitPattern: source[double: lane]), mxcsr, &raised)
            }
            result.high = 0
        case (.integersToFloat, .packedDouble):
            for lane in 0..<2 {
                result[double: lane] = Double(Int32(bitPattern: source[single: lane])).bitPattern
            }
        case (.integersToFloat, _):
            for lane in 0..<4 {
                let integer = Int64(Int32(bitPattern: source[single: lane]))
                result[single: lane] = UInt32(
                    truncatingIfNeeded: fromInteger(integer, isSingle: true, mxcsr, &raised))
            }
        default:
            let mode = operation == .floatToIntegersTruncated ? 3 : (mxcsr >> 13) & 3
            if format == .packedDouble {
                for lane in 0..<2 {
                    let value = Double(bitPattern: source[double: lane])
                    result[single: lane] = UInt32(truncatingIfNeeded: toInteger(value, 32, mode, &raised))
                }
                result.high = 0
            } else {
                for lane in 0..<4 {
                    let value = Double(Float(bitPattern: source[single: lane]))
                    result[single: lane] = UInt32(truncatingIfNeeded: toInteger(value, 32, mode, &raised))
                }
            }
        }
    }
}
