import Expressions
import Machine
import X86

/// Lane micro-operations: 64-bit slots seen as lanes. Each lane is computed on its own and the lanes are joined.
extension SymbolicExecutor {
    func lanes(_ op: MicroOp, _ a: Term, _ b: Term, _ state: ExecutionState) throws(Interruption) -> Term {
        let width = Int(op.width)
        func lane(_ term: Term, _ index: Int, _ bits: Int) -> Term {
            arena.extract(term, low: index * bits, width: bits)
        }
        /// Each lane of a with that of b.
        func each(_ body: (Term, Term) -> Term) -> Term {
            joined((0..<64 / width).map { body(lane(a, $0, width), lane(b, $0, width)) })
        }
        func each(_ operation: Operator) -> Term { each { arena.make(operation, $0, $1) } }
        func ones(_ condition: Term) -> Term { arena.signExtend(condition, to: width) }
        func choose(_ operation: Operator, swapped: Bool) -> Term {
            each { x, y in
                let test = arena.make(operation, x, y)
                return swapped ? arena.ifThenElse(test, y, x) : arena.ifThenElse(test, x, y)
            }
        }

        switch op.operation {
        case .laneAdd: return each(.add)
        case .laneSubtract: return each(.subtract)
        case .laneAddSaturateUnsigned, .laneAddSaturateSigned, .laneSubtractSaturateUnsigned,
            .laneSubtractSaturateSigned:
            return each { saturated(op.operation, $0, $1) }
        case .laneMultiply: return each(.multiply)
        case .laneMultiplyHighSigned: return each(.multiplyHighSigned)
        case .laneMultiplyHighUnsigned: return each(.multiplyHighUnsigned)
        case .laneEqual: return each { ones(arena.make(.equal, $0, $1)) }
        case .laneGreaterSigned: return each { ones(arena.make(.lessSigned, $1, $0)) }
        case .laneMinimumUnsigned: return choose(.lessUnsigned, swapped: false)
        case .laneMaximumUnsigned: return choose(.lessUnsigned, swapped: true)
        case .laneMinimumSigned: return choose(.lessSigned, swapped: false)
        case .laneMaximumSigned: return choose(.lessSigned, swapped: true)
        case .laneAverage:
            return each { x, y in
                let wide = width + 1
                let sum = arena.make(.add, arena.zeroExtend(x, to: wide), arena.zeroExtend(y, to: wide))
                return arena.extract(
                    arena.make(.add, sum, arena.constant(1, width: wide)), low: 1, width: width)
            }
        case .laneShiftLeft, .laneShiftRight, .laneShiftRightArithmetic:
            let count = try concretised(b, "the count of a vector shift", state)
            return joined((0..<64 / width).map { laneShift(op.operation, lane(a, $0, width), count) })
        case .laneSigns:
            return joined((0..<64 / width).map { arena.extract(a, low: $0 * width + width - 1, width: 1) })
        case .interleaveLow, .interleaveHigh:
            let first = op.operation == .interleaveLow ? 0 : 32 / width
            return joined(
                (0..<32 / width).flatMap { [lane(a, first + $0, width), lane(b, first + $0, width)] })
        case .packSigned, .packUnsigned:
            let isUnsigned = op.operation == .packUnsigned
            return joined(
                (0..<64 / width).map { packed(lane(a, $0, width), isUnsigned: isUnsigned) }
                    + (0..<64 / width).map { packed(lane(b, $0, width), isUnsigned: isUnsigned) })
        case .laneMultiplyAdd:
            return joined(
                (0..<2).map { index in
                    func product(_ lane16: Int) -> Term {
                        arena.make(
                            .multiply, arena.signExtend(lane(a, lane16, 16), to: 32),
                            arena.signExtend(lane(b, lane16, 16), to: 32))
                    }
                    return arena.make(.add, product(2 * index), product(2 * index + 1))
                })
        case .sumAbsoluteDifferences:
            var sum = arena.constant(0, width: 16)
            for index in 0..<8 {
                let x = lane(a, index, 8)
                let y = lane(b, index, 8)
                let difference = arena.ifThenElse(
                    arena.make(.lessUnsigned, x, y), arena.make(.subtract, y, x), arena.make(.subtract, x, y))
                sum = arena.make(.add, sum, arena.zeroExtend(difference, to: 16))
            }
            return sum
        case .shuffleBytes: return shuffled(high: a, low: value(op.third, 64, op, state), mask: b)
        default:
            throw .end(
                .unsupportedMode(
                    address: state.instructionPointer,
                    reason: "no symbolic form of the operation \(op.operation); please report this"))
        }
    }

    private func saturated(_ operation: X86.Operation, _ x: Term, _ y: Term) -> Term {
        let width = arena.width(x)
        let wide = width + 2
        let isSigned = operation == .laneAddSaturateSigned || operation == .laneSubtractSaturateSigned
        let isSum = operation == .laneAddSaturateUnsigned || operation == .laneAddSaturateSigned
        func extended(_ term: Term) -> Term {
            isSigned ? arena.signExtend(term, to: wide) : arena.zeroExtend(term, to: wide)
        }
        let exact = arena.make(isSum ? .add : .subtract, extended(x), extended(y))
        let top = isSigned ? lowMask(width) >> 1 : lowMask(width)
        let bottom: UInt64 = isSigned ? 0 &- (1 << UInt64(width - 1)) : 0
        return clamped(exact, bottom: bottom, top: top, width: width)
    }

    /// A signed value held to a range (both ends are signed values of its width) and cut to `width` bits.
    private func clamped(_ value: Term, bottom: UInt64, top: UInt64, width: Int) -> Term {
        let wide = arena.width(value)
        let low = arena.constant(bottom, width: wide)
        let high = arena.constant(top, width: wide)
        let held = arena.ifThenElse(
            arena.make(.lessSigned, value, low), low,
            arena.ifThenElse(arena.make(.lessSigned, high, value), high, value))
        return arena.extract(held, low: 0, width: width)
    }

    private func packed(_ value: Term, isUnsigned: Bool) -> Term {
        let half = arena.width(value) / 2
        let top = isUnsigned ? lowMask(half) : lowMask(half) >> 1
        let bottom: UInt64 = isUnsigned ? 0 : 0 &- (1 << UInt64(half - 1))
        return clamped(value, bottom: bottom, top: top, width: half)
    }

    private func laneShift(_ operation: X86.Operation, _ value: Term, _ count: UInt64) -> Term {
        let width = arena.width(value)
        if count >= UInt64(width) {
            if operation != .laneShiftRightArithmetic { return arena.constant(0, width: width) }
            return arena.signExtend(arena.extract(value, low: width - 1, width: 1), to: width)
        }
        let amount = arena.constant(count, width: width)
        switch operation {
        case .laneShiftLeft: return arena.make(.shiftLeft, value, amount)
        case .laneShiftRight: return arena.make(.shiftRightLogical, value, amount)
        default: return arena.make(.shiftRightArithmetic, value, amount)
        }
    }

    /// PSHUFB on one half.
    private func shuffled(high: Term, low: Term, mask: Term) -> Term {
        let source =
            (0..<8).map { arena.extract(low, low: 8 * $0, width: 8) }
            + (0..<8).map { arena.extract(high, low: 8 * $0, width: 8) }
        return joined(
            (0..<8).map { index in
                let select = arena.extract(mask, low: 8 * index, width: 8)
                let place = arena.extract(select, low: 0, width: 4)
                var byte = source[0]
                for candidate in 1..<16 {
                    byte = arena.ifThenElse(arena.equals(place, UInt64(candidate)), source[candidate], byte)
                }
                return arena.ifThenElse(
                    arena.extract(select, low: 7, width: 1), arena.constant(0, width: 8), byte)
            })
    }
}
