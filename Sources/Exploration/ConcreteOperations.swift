import Machine
import X86

/// The pure micro-operations on concrete slots, for the symbolic interpreter. The meaning of each is written at `Operation`.
package enum ConcreteOperations {
    /// Executes an operation that touches slots only.
    ///
    /// - Returns: false when the operation raises #DE.
    @inline(__always)
    package static func execute(_ op: MicroOp, _ slots: UnsafeMutablePointer<UInt64>) -> Bool {
        let immediate = op.immediate
        slots[Int(Slot.immediate.rawValue)] = immediate
        let a = slots[Int(op.a.rawValue)]
        let b = slots[Int(op.b.rawValue)]
        let width = UInt64(op.width)
        let shift = 64 &- width
        let mask = ~UInt64(0) &>> shift
        var result: UInt64
        switch op.operation {
        case .move:
            if width == 128 {
                slots[Int(op.destination.rawValue) + 1] = slots[Int(op.a.rawValue) + 1]
                result = a
            } else {
                result = a & mask
            }
        case .signExtend:
            result = UInt64(bitPattern: Int64(bitPattern: a << shift) >> Int64(shift)) & (~0 &>> (64 &- immediate))
        case .extract: result = (a &>> immediate) & mask
        case .insert: result = a & ~(mask &<< immediate) | (b & mask) &<< immediate
        case .select: result = (slots[Int(op.third.rawValue)] != 0 ? a : b) & mask
        case .add: result = (a &+ b) & mask
        case .subtract: result = (a &- b) & mask
        case .scaledAdd: result = a &+ (b &<< immediate)
        case .multiply: result = (a &* b) & mask
        case .negate: result = (0 &- a) & mask
        case .and: result = a & b & mask
        case .or: result = (a | b) & mask
        case .xor: result = (a ^ b) & mask
        case .not: result = ~a & mask
        case .shiftLeft: result = (b >= width ? 0 : a &<< b) & mask
        case .shiftRight: result = b >= width ? 0 : (a & mask) &>> b
        case .shiftRightArithmetic:
            let value = Int64(bitPattern: a << shift) >> Int64(shift)
            result = UInt64(bitPattern: value &>> Int64(min(b, 63))) & mask
        case .equal: result = (a ^ b) & mask == 0 ? 1 : 0
        case .notEqual: result = (a ^ b) & mask != 0 ? 1 : 0
        case .lessUnsigned: result = a & mask < b & mask ? 1 : 0
        case .lessOrEqualUnsigned: result = a & mask <= b & mask ? 1 : 0
        case .lessSigned: result = Int64(bitPattern: a << shift) < Int64(bitPattern: b << shift) ? 1 : 0
        case .lessOrEqualSigned: result = Int64(bitPattern: a << shift) <= Int64(bitPattern: b << shift) ? 1 : 0
        case .sign: result = (a &>> (width &- 1)) & 1
        case .parity: result = UInt64(~(a & 0xFF).nonzeroBitCount & 1)
        case .auxiliaryCarry: result = ((a ^ b ^ slots[Int(op.third.rawValue)]) >> 4) & 1
        case .carryAdd:
            let r = slots[Int(op.third.rawValue)]
            result = (((a & b) | ((a | b) & ~r)) &>> (width &- 1)) & 1
        case .carrySubtract:
            let r = slots[Int(op.third.rawValue)]
            result = (((~a & b) | ((~a | b) & r)) &>> (width &- 1)) & 1
        case .overflowAdd:
            let r = slots[Int(op.third.rawValue)]
            result = (((a ^ r) & (b ^ r)) &>> (width &- 1)) & 1
        case .overflowSubtract:
            let r = slots[Int(op.third.rawValue)]
            result = (((a ^ b) & (a ^ r)) &>> (width &- 1)) & 1
        default: return Machine.executeSeldom(op, slots)
        }
        slots[Int(op.destination.rawValue)] = result
        return true
    }
}
