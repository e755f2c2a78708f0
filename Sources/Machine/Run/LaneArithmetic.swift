import X86

/// The lane operations of the IR on one 64-bit slot, or on two neighbouring ones at once. The meaning of each is written at `Operation`.
enum LaneArithmetic {
    /// One slot. `third` is the slot that the immediate field names.
    static func execute(
        _ operation: Operation, _ width: UInt8, _ a: UInt64, _ b: UInt64, _ third: UInt64,
        _ destination: UnsafeMutablePointer<UInt64>
    ) {
        let bits = UInt64(width)
        switch operation {
        case .laneSigns: destination.pointee = signs(a, bits)
        case .interleaveLow: destination.pointee = interleave(a, b, bits)
        case .interleaveHigh: destination.pointee = interleave(a >> 32, b >> 32, bits)
        case .packSigned, .packUnsigned:
            destination.pointee =
                pack(a, bits, isUnsigned: operation == .packUnsigned)
                | pack(b, bits, isUnsigned: operation == .packUnsigned) << 32
        case .laneMultiplyAdd: destination.pointee = multiplyAdd(a, b)
        case .sumAbsoluteDifferences: destination.pointee = sumOfDifferences(a, b)
        case .shuffleBytes: destination.pointee = shuffle(low: third, high: a, by: b)
        default:
            // Unsafe: vectors of the same 64 bits.
            switch width {
            case 8: destination.pointee = word(operation, a, b, SIMD8<UInt8>.self, Int8.self)
            case 16: destination.pointee = word(operation, a, b, SIMD4<UInt16>.self, Int16.self)
            case 32: destination.pointee = word(operation, a, b, SIMD2<UInt32>.self, Int32.self)
            default:
                destination.pointee = Lanes.result(operation, SIMD2(a, 0), SIMD2(b, 0), count: b, Int64.self).x
            }
        }
    }

    /// Unsafe: `V` has 64 bits.
    @inline(__always)
    private static func word<V: SIMD, S>(
        _ operation: Operation, _ a: UInt64, _ b: UInt64, _: V.Type, _: S.Type
    ) -> UInt64
    where V.Scalar: FixedWidthInteger & UnsignedInteger, S: FixedWidthInteger & SignedInteger {
        let result = Lanes.result(
            operation, unsafeBitCast(a, to: V.self), unsafeBitCast(b, to: V.self), count: b, S.self)
        return unsafeBitCast(result, to: UInt64.self)
    }

    /// Two neighbouring slots: `operation` on the first words, then on the second ones (`Fusion.isPair` says when that is possible).
    ///
    /// Unsafe: all three lead to two slots each; `b` of a shift leads to the count for both.
    @inline(__always)
    static func executePair(
        _ operation: Operation, _ width: UInt8, _ a: UnsafeMutablePointer<UInt64>, _ b: UnsafeMutablePointer<UInt64>,
        _ destination: UnsafeMutablePointer<UInt64>
    ) {
        switch width {
        case 8: pair(operation, a, b, destination, SIMD16<UInt8>.self, Int8.self)
        case 16: pair(operation, a, b, destination, SIMD8<UInt16>.self, Int16.self)
        case 32: pair(operation, a, b, destination, SIMD4<UInt32>.self, Int32.self)
        default: pair(operation, a, b, destination, SIMD2<UInt64>.self, Int64.self)
        }
    }

    /// Unsafe: `V` has 128 bits.
    @inline(never)
    private static func pair<V: SIMD, S>(
        _ operation: Operation, _ a: UnsafeMutablePointer<UInt64>, _ b: UnsafeMutablePointer<UInt64>,
        _ destination: UnsafeMutablePointer<UInt64>, _: V.Type, _: S.Type
    ) where V.Scalar: FixedWidthInteger & UnsignedInteger, S: FixedWidthInteger & SignedInteger {
        let left = UnsafeRawPointer(a).loadUnaligned(as: V.self)
        let right = UnsafeRawPointer(b).loadUnaligned(as: V.self)
        let result = Lanes.result(operation, left, right, count: b.pointee, S.self)
        UnsafeMutableRawPointer(destination).storeBytes(of: result, as: V.self)
    }

    /// The sign bit of each lane, lane 0 in bit 0.
    @inline(__always)
    static func signs(_ a: UInt64, _ bits: UInt64) -> UInt64 {
        // The product brings bit 8 i of its first factor to bit 56 + i; no two of its terms meet.
        if bits == 8 { return (((a >> 7) & 0x0101_0101_0101_0101) &* 0x0102_0408_1020_4080) >> 56 }
        var result: UInt64 = 0
        var lane: UInt64 = 0
        while lane < 64 / bits {
            result |= ((a >> (lane &* bits &+ bits &- 1)) & 1) << lane
            lane += 1
        }
        return result
    }

    private static func interleave(_ a: UInt64, _ b: UInt64, _ bits: UInt64) -> UInt64 {
        spread(a, bits) | spread(b, bits) << bits
    }

    /// The lanes of the low 32 bits at every second place.
    @inline(__always)
    private static func spread(_ value: UInt64, _ bits: UInt64) -> UInt64 {
        var result = value & 0xFFFF_FFFF
        if bits <= 16 { result = (result | result << 16) & 0x0000_FFFF_0000_FFFF }
        if bits == 8 { result = (result | result << 8) & 0x00FF_00FF_00FF_00FF }
        return result
    }

    private static func pack(_ value: UInt64, _ bits: UInt64, isUnsigned: Bool) -> UInt64 {
        let half = bits / 2
        let mask = ~UInt64(0) >> (64 - half)
        let shift = Int64(64 - bits)
        let low: Int64 = isUnsigned ? 0 : -Int64(mask >> 1) - 1
        let high = isUnsigned ? Int64(mask) : Int64(mask >> 1)
        var result: UInt64 = 0
        var lane: UInt64 = 0
        while lane < 64 / bits {
            let element = Int64(bitPattern: (value >> (lane * bits)) << UInt64(shift)) >> shift
            result |= (UInt64(bitPattern: min(max(element, low), high)) & mask) << (lane * half)
            lane += 1
        }
        return result
    }

    private static func multiplyAdd(_ a: UInt64, _ b: UInt64) -> UInt64 {
        func product(_ lane: UInt64) -> Int64 {
            Int64(Int16(truncatingIfNeeded: a >> (lane * 16))) * Int64(Int16(truncatingIfNeeded: b >> (lane * 16)))
        }
        let low = UInt64(UInt32(truncatingIfNeeded: product(0) &+ product(1)))
        let high = UInt64(UInt32(truncatingIfNeeded: product(2) &+ product(3)))
        return low | high << 32
    }

    private static func sumOfDifferences(_ a: UInt64, _ b: UInt64) -> UInt64 {
        var sum: UInt64 = 0
        for lane: UInt64 in 0..<8 {
            let left = (a >> (lane * 8)) & 0xFF
            let right = (b >> (lane * 8)) & 0xFF
            sum += left > right ? left - right : right - left
        }
        return sum
    }

    private static func shuffle(low: UInt64, high: UInt64, by selectors: UInt64) -> UInt64 {
        var result: UInt64 = 0
        for lane: UInt64 in 0..<8 {
            let selector = (selectors >> (lane * 8)) & 0xFF
            guard selector & 0x80 == 0 else { continue }
            let source = selector & 8 == 0 ? low : high
            result |= ((source >> ((selector & 7) * 8)) & 0xFF) << (lane * 8)
        }
        return result
    }
}
