import X86

// Forms for vectors, which are several slots
extension Fusion {
    /// The same operation on two neighbouring words.
    static func pair(_ operations: UnsafeBufferPointer<MicroOp>) -> Match? {
        guard operations.count > 1, isPair(operations[0], operations[1]) else { return nil }
        var first = operations[0]
        first.operation = .pair
        return Match(operation: first, count: 2, kept: 1..<2)
    }

    /// True when both can be done at once: the second one reads nothing that the first one writes.
    private static func isPair(_ low: MicroOp, _ high: MicroOp) -> Bool {
        guard low.operation == high.operation, low.width == high.width, high.destination == low.destination.high,
            high.a == low.a.high, low.destination != high.a, low.destination != high.b, isVector(low.destination),
            isVector(low.a)
        else { return false }
        switch low.operation {
        case .laneShiftLeft, .laneShiftRight, .laneShiftRightArithmetic:
            // One count for both, which may be the immediate field.
            return high.b == low.b && high.immediate == low.immediate
        case .laneAdd, .laneSubtract, .laneAddSaturateUnsigned, .laneAddSaturateSigned, .laneSubtractSaturateUnsigned,
            .laneSubtractSaturateSigned, .laneMultiply, .laneMultiplyHighSigned, .laneMultiplyHighUnsigned, .laneEqual,
            .laneGreaterSigned, .laneMinimumUnsigned, .laneMaximumUnsigned, .laneMinimumSigned, .laneMaximumSigned,
            .laneAverage:
            return high.b == low.b.high && isVector(low.b)
        case .and, .or, .xor, .add, .subtract:
            return low.width == 64 && high.b == low.b.high && isVector(low.b)
        default: return false
        }
    }

    /// Two neighbouring slots from this one on belong together: not general registers or flags, whose neighbours are others.
    private static func isVector(_ slot: Slot) -> Bool { slot.rawValue >= 32 }

    /// The signs of a word put above those of the words before it.
    static func signs(_ operations: UnsafeBufferPointer<MicroOp>, _ uses: [Int]) -> Match? {
        guard operations.count > 2 else { return nil }
        let (signs, shift, or) = (operations[0], operations[1], operations[2])
        guard signs.operation == .laneSigns, isOnlyFor(signs.destination, uses),
            shift.operation == .shiftLeft, shift.width == 64, shift.a == signs.destination, shift.b == .immediate,
            shift.immediate < 64, isOnlyFor(shift.destination, uses),
            or.operation == .or, or.width == 64, or.b == shift.destination, or.a != .immediate
        else { return nil }
        let fused = MicroOp(
            .laneSignsAbove, width: signs.width, destination: or.destination, a: signs.a, b: or.a,
            immediate: shift.immediate)
        return Match(operation: fused, count: 3)
    }

    /// A temporary that is read once.
    static func isOnlyFor(_ slot: Slot, _ uses: [Int]) -> Bool {
        slot.isTemporary && uses[Int(slot.rawValue)] == 1
    }
}
