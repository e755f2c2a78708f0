// Flags
extension Machine {
    /// 1 when the low byte has an even number of ones.
    @inline(__always)
    static func evenParity(_ value: UInt64) -> UInt64 {
        // Bit n of the constant is the answer for the four bits n.
        (0x9669 &>> ((value ^ value >> 4) & 15)) & 1
    }

    /// The six flags of a + b = r at once. Unsafe: `slots` is a slot file.
    @inline(__always)
    static func setFlagsOfSum(
        _ slots: UnsafeMutablePointer<UInt64>, _ a: UInt64, _ b: UInt64, _ r: UInt64, mask: UInt64, top: UInt64
    ) {
        slots[17] = r & mask < a & mask ? 1 : 0
        slots[18] = evenParity(r)
        slots[19] = ((a ^ b ^ r) >> 4) & 1
        slots[20] = r & mask == 0 ? 1 : 0
        slots[21] = (r &>> top) & 1
        slots[23] = (((a ^ r) & (b ^ r)) &>> top) & 1
    }

    /// The six flags of a - b = r at once. Unsafe alike.
    @inline(__always)
    static func setFlagsOfDifference(
        _ slots: UnsafeMutablePointer<UInt64>, _ a: UInt64, _ b: UInt64, _ r: UInt64, mask: UInt64, top: UInt64
    ) {
        slots[17] = a & mask < b & mask ? 1 : 0
        slots[18] = evenParity(r)
        slots[19] = ((a ^ b ^ r) >> 4) & 1
        slots[20] = (a ^ b) & mask == 0 ? 1 : 0
        slots[21] = (r &>> top) & 1
        slots[23] = (((a ^ b) & (a ^ r)) &>> top) & 1
    }

    /// CF, AF and OF clear, the others by a result. Unsafe alike.
    @inline(__always)
    static func setFlagsOfLogic(_ slots: UnsafeMutablePointer<UInt64>, _ r: UInt64, mask: UInt64, top: UInt64) {
        slots[17] = 0
        slots[19] = 0
        slots[23] = 0
        setFlagsOfResult(slots, r, mask: mask, top: top)
    }

    /// PF, ZF and SF by a result. Unsafe alike.
    @inline(__always)
    static func setFlagsOfResult(_ slots: UnsafeMutablePointer<UInt64>, _ r: UInt64, mask: UInt64, top: UInt64) {
        slots[18] = evenParity(r)
        slots[20] = r & mask == 0 ? 1 : 0
        slots[21] = (r &>> top) & 1
    }
}
