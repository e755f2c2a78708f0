import X86

/// The lane operations of the IR on 64-bit slots.
enum LaneArithmetic {
    static func execute(
        _ operation: Operation, _ width: UInt8, _ a: UInt64, _ b: UInt64, _ third: UInt64,
        _ destination: UnsafeMutablePointer<UInt64>
    ) {
        let bits = UInt64(width)
        switch operation {
        case .laneSigns:
            var result: UInt64 = 0
            var lane: UInt64 = 0
            while lane < 64 / bits {
                result |= ((a >> (lane * bits + bits - 1)) & 1) << lane
                lane += 1
            }
            destination.pointee = result
        case .interleaveLow: destination.pointee = interleave(a, b, bits)
        case .interleaveHigh: destination.pointee = interleave(a >> 32, b >> 32, bits)
        case .packSigned, .packUnsigned:
            destination.pointee =
                pack(a, bits, isUnsigned: operation == .packUnsigned)
                | pack(b, bits, isUnsigned: operation == .packUnsigned) << 32
        case .laneMultiplyAdd: destination.pointee = multiplyAdd(a, b)
        case .sumAbsoluteDifferences:
            var sum: UInt64 = 0
            for lane: UInt64 in 0..<8 {
                let left = (a >> (lane * 8)) & 0xFF
                let right = (b >> (lane * 8)) & 0xFF
                sum += left > right ? left - right : right - left
            }
            destination.pointee = sum
        case .shuffleBytes:
            var result: UInt64 = 0
            for lane: UInt64 in 0..<8 {
                let selector = (b >> (lane * 8)) & 0xFF
                guard selector & 0x80 == 0 else { continue }
                let source = selector & 8 == 0 ? third : a
                result |= ((source >> ((selector & 7) * 8)) & 0xFF) << (lane * 8)
            }
            destination.pointee = result
        default:
            let mask = ~UInt64(0) >> (64 - bits)
            var result: UInt64 = 0
            var position: UInt64 = 0
            while position < 64 {
                let value = lane(operation, (a >> position) & mask, (b >> position) & mask, count: b, bits, mask)
                result |= (value & mask) << position
                position += bits
            }
            destination.pointee = result
        }
    }

    /// One lane of an operation that treats all lanes alike; `count` is the whole of b, for shifts.
    @inline(__always)
    private static func lane(
        _ operation: Operation, _ a: UInt64, _ b: UInt64, count: UInt64, _ bits: UInt64, _ mask: UInt64
    ) -> UInt64 {
        let shift = Int64(64 - bits)
        let left = Int64(bitPattern: a << UInt64(shift)) >> shift
        let right = Int64(bitPattern: b << UInt64(shift)) >> shift
        let top = Int64(mask >> 1)
        func clampSigned(_ value: Int64) -> UInt64 { UInt64(bitPattern: min(max(value, -top - 1), top)) }
        switch operation {
        case .laneAdd: return a &+ b
        case .laneSubtract: return a &- b
        case .laneAddSaturateUnsigned: return min(a &+ b, mask)
        case .laneAddSaturateSigned: return clampSigned(left &+ right)
        case .laneSubtractSaturateUnsigned: return a > b ? a &- b : 0
        case .laneSubtractSaturateSigned: return clampSigned(left &- right)
        case .laneMultiply: return a &* b
        case .laneMultiplyHighSigned: return UInt64(bitPattern: (left &* right) >> Int64(bits))
        case .laneMultiplyHighUnsigned: return (a &* b) >> bits
        case .laneEqual: return a == b ? mask : 0
        case .laneGreaterSigned: return left > right ? mask : 0
        case .laneMinimumUnsigned: return min(a, b)
        case .laneMaximumUnsigned: return max(a, b)
        case .laneMinimumSigned: return UInt64(bitPattern: min(left, right))
        case .laneMaximumSigned: return UInt64(bitPattern: max(left, right))
        case .laneAverage: return (a &+ b &+ 1) >> 1
        case .laneShiftLeft: return count >= bits ? 0 : a << count
        case .laneShiftRight: return count >= bits ? 0 : a >> count
        default: return UInt64(bitPattern: left >> Int64(min(count, 63)))
        }
    }

    private static func interleave(_ a: UInt64, _ b: UInt64, _ bits: UInt64) -> UInt64 {
        let mask = ~UInt64(0) >> (64 - bits)
        var result: UInt64 = 0
        var source: UInt64 = 0
        while source < 32 {
            result |= ((a >> source) & mask) << (source * 2)
            result |= ((b >> source) & mask) << (source * 2 + bits)
            source += bits
        }
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
}
