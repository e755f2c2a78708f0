import X86

/// The operations that treat all lanes alike, on the host's vectors.
///
/// Written for any vector type and always inlined, so that each caller gets the host's instructions for its own.
enum Lanes {
    /// - Parameters:
    ///   - count: the whole of b's first word, for shifts.
    ///   - signed: the lanes as signed numbers.
    @inline(__always)
    static func result<V: SIMD, S>(
        _ operation: Operation, _ a: V, _ b: V, count: UInt64, _ signed: S.Type
    ) -> V where V.Scalar: FixedWidthInteger & UnsignedInteger, S: FixedWidthInteger & SignedInteger {
        func number(_ lane: V.Scalar) -> S { S(truncatingIfNeeded: lane) }
        func lane(_ value: S) -> V.Scalar { V.Scalar(truncatingIfNeeded: value) }
        let bits = UInt64(V.Scalar.bitWidth)
        switch operation {
        case .and: return a & b
        case .or: return a | b
        case .xor: return a ^ b
        case .laneAdd, .add: return a &+ b
        case .laneSubtract, .subtract: return a &- b
        // Nothing overflows: a is at most what b leaves, or at least b.
        case .laneAddSaturateUnsigned: return each(a, ~b) { min($0, $1) } &+ b
        case .laneSubtractSaturateUnsigned: return each(a, b) { max($0, $1) } &- b
        case .laneAddSaturateSigned:
            return each(a, b) { lane(S(clamping: Int(number($0)) &+ Int(number($1)))) }
        case .laneSubtractSaturateSigned:
            return each(a, b) { lane(S(clamping: Int(number($0)) &- Int(number($1)))) }
        case .laneMultiply: return a &* b
        case .laneMultiplyHighSigned:
            return each(a, b) {
                V.Scalar(truncatingIfNeeded: (Int(number($0)) &* Int(number($1))) >> Int(bits))
            }
        case .laneMultiplyHighUnsigned:
            return each(a, b) { V.Scalar(truncatingIfNeeded: (UInt64($0) &* UInt64($1)) >> bits) }
        // 0 or 1, less 1: what is written as a choice by lanes becomes no vector instruction.
        case .laneEqual: return each(a ^ b, V(repeating: 1)) { min($0, $1) } &- V(repeating: 1)
        case .laneGreaterSigned: return each(a, b) { number($0) > number($1) ? .max : 0 }
        case .laneMinimumUnsigned: return each(a, b) { min($0, $1) }
        case .laneMaximumUnsigned: return each(a, b) { max($0, $1) }
        case .laneMinimumSigned: return each(a, b) { lane(min(number($0), number($1))) }
        case .laneMaximumSigned: return each(a, b) { lane(max(number($0), number($1))) }
        case .laneAverage:
            return each(a, b) { V.Scalar(truncatingIfNeeded: (UInt64($0) &+ UInt64($1) &+ 1) >> 1) }
        case .laneShiftLeft:
            return count >= bits ? V(repeating: 0) : a &<< V(repeating: V.Scalar(truncatingIfNeeded: count))
        case .laneShiftRight:
            return count >= bits ? V(repeating: 0) : a &>> V(repeating: V.Scalar(truncatingIfNeeded: count))
        default:
            let places = S(truncatingIfNeeded: min(count, bits &- 1))
            return each(a, a) { value, _ in lane(number(value) &>> places) }
        }
    }

    @inline(__always)
    private static func each<V: SIMD>(_ a: V, _ b: V, _ body: (V.Scalar, V.Scalar) -> V.Scalar) -> V {
        var result = a
        for index in 0..<V.scalarCount { result[index] = body(a[index], b[index]) }
        return result
    }
}
