import X86

extension Machine {
    /// The operations that the main switch leaves out: division, wide products, bit counting, lanes.
    ///
    /// The meaning of each is written at `Operation`. A static function so that an interpreter of other states may call it as well.
    /// - Returns: false when the operation raises #DE.
    @inline(never)
    package static func executeSeldom(_ op: MicroOp, _ slots: UnsafeMutablePointer<UInt64>) -> Bool {
        let immediate = op.immediate
        slots[31] = immediate
        let a = slots[Int(op.a.rawValue)]
        let b = slots[Int(op.b.rawValue)]
        let width = UInt64(op.width)
        let shift = 64 &- width
        let mask = ~UInt64(0) &>> shift
        let destination = slots + Int(op.destination.rawValue)
        func signed(_ value: UInt64) -> Int64 { Int64(bitPattern: value << shift) >> Int64(shift) }

        switch op.operation {
        case .multiplyHighUnsigned:
            if width == 64 {
                destination.pointee = a.multipliedFullWidth(by: b).high
            } else {
                destination.pointee = (((a & mask) &* (b & mask)) &>> width) & mask
            }
        case .multiplyHighSigned:
            if width == 64 {
                destination.pointee = UInt64(
                    bitPattern: Int64(bitPattern: a).multipliedFullWidth(by: Int64(bitPattern: b)).high)
            } else {
                destination.pointee = UInt64(bitPattern: (signed(a) &* signed(b)) >> Int64(width)) & mask
            }
        case .divideUnsigned, .remainderUnsigned:
            guard let result = divide(high: slots[Int(immediate)] & mask, low: a & mask, by: b & mask, width: width)
            else { return false }
            destination.pointee = op.operation == .divideUnsigned ? result.quotient : result.remainder
        case .divideSigned, .remainderSigned:
            guard
                let result = divideSigned(
                    high: slots[Int(immediate)] & mask, low: a & mask, by: b & mask, width: width)
            else { return false }
            destination.pointee = (op.operation == .divideSigned ? result.quotient : result.remainder) & mask
        case .rotateLeft:
            let count = b & (width &- 1)
            let value = a & mask
            destination.pointee = (value << count | value >> (width &- count)) & mask
        case .rotateRight:
            let count = b & (width &- 1)
            let value = a & mask
            destination.pointee = (value >> count | value << (width &- count)) & mask
        case .countLeadingZeros: destination.pointee = UInt64((a & mask).leadingZeroBitCount) &- shift
        case .countTrailingZeros: destination.pointee = min(UInt64((a & mask).trailingZeroBitCount), width)
        case .populationCount: destination.pointee = UInt64((a & mask).nonzeroBitCount)
        case .byteSwap: destination.pointee = a.byteSwapped >> shift
        case .depositBits: destination.pointee = depositBits(a & mask, b & mask)
        case .extractBits: destination.pointee = extractBits(a & mask, b & mask)
        // It has no result; who lets an interpreter come here does not check alignment.
        case .requireAligned: break
        case .crc32: destination.pointee = crc32(UInt32(truncatingIfNeeded: a), b, bytes: Int(width / 8))
        default: LaneArithmetic.execute(op.operation, op.width, a, b, slots[Int(immediate) & 1023], destination)
        }
        return true
    }

    private static func divide(
        high: UInt64, low: UInt64, by divisor: UInt64, width: UInt64
    ) -> (quotient: UInt64, remainder: UInt64)? {
        guard divisor != 0, high < divisor else { return nil }
        if width == 64 { return divisor.dividingFullWidth((high, low)) }
        let dividend = high << width | low
        return (dividend / divisor, dividend % divisor)
    }

    private static func divideSigned(
        high: UInt64, low: UInt64, by divisor: UInt64, width: UInt64
    ) -> (quotient: UInt64, remainder: UInt64)? {
        let shift = Int64(64 &- width)
        if width < 64 {
            let wide = Int64(bitPattern: (high << width | low) << (64 &- 2 * width)) >> Int64(64 &- 2 * width)
            let by = Int64(bitPattern: divisor << UInt64(shift)) >> shift
            let (quotient, overflow) = wide.dividedReportingOverflow(by: by)
            guard by != 0, !overflow else { return nil }
            guard (quotient << shift) >> shift == quotient else { return nil }
            return (UInt64(bitPattern: quotient), UInt64(bitPattern: wide % by))
        }
        let dividend = Int128(truncatingIfNeeded: UInt128(high) << 64 | UInt128(low))
        let by = Int128(Int64(bitPattern: divisor))
        guard by != 0 else { return nil }
        let (quotient, overflow) = dividend.dividedReportingOverflow(by: by)
        guard !overflow, let fitting = Int64(exactly: quotient) else { return nil }
        return (UInt64(bitPattern: fitting), UInt64(truncatingIfNeeded: dividend % by))
    }

    private static func depositBits(_ value: UInt64, _ mask: UInt64) -> UInt64 {
        var rest = mask
        var source = value
        var result: UInt64 = 0
        while rest != 0 {
            let lowest = rest & (0 &- rest)
            if source & 1 != 0 { result |= lowest }
            source >>= 1
            rest &= rest &- 1
        }
        return result
    }

    private static func extractBits(_ value: UInt64, _ mask: UInt64) -> UInt64 {
        var rest = mask
        var position: UInt64 = 0
        var result: UInt64 = 0
        while rest != 0 {
            let lowest = rest & (0 &- rest)
            if value & lowest != 0 { result |= 1 << position }
            position += 1
            rest &= rest &- 1
        }
        return result
    }

    private static func crc32(_ accumulator: UInt32, _ value: UInt64, bytes: Int) -> UInt64 {
        var crc = accumulator
        for index in 0..<bytes {
            crc ^= UInt32(truncatingIfNeeded: value >> UInt64(index * 8)) & 0xFF
            for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 != 0 ? 0x82F6_3B78 : 0) }
        }
        return UInt64(crc)
    }
}
