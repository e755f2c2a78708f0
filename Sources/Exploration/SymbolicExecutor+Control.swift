import Expressions
import Machine
import X86

/// Conditional branches and division.
extension SymbolicExecutor {
    /// Whether the branch is taken by this state; the other direction, if feasible, goes to a fork.
    func branch(_ op: MicroOp, _ block: Block, _ state: ExecutionState) throws(Interruption) -> Bool {
        let term = state.term(op.a)
        if term.isNone { return state.machine.slots[Int(op.a.rawValue)] & 1 != 0 }
        statistics.symbolicBranches += 1
        let address = state.instructionPointer
        let condition = resized(term, to: 1)
        let outcome = try ask { () throws(ExpressionsError) in
            try solver.branch(on: condition, of: state.path)
        }
        switch outcome {
        case .always(let taken): return taken
        case .both(let taken, let notTaken):
            let child = fork(state, path: taken)
            record(BranchRecord(address: address, taken: true), child)
            leave(block, to: op.immediate, child)
            state.path = notTaken
            record(BranchRecord(address: address, taken: false), state)
            return false
        case .one(let taken, let path, _):
            statistics.abandoned += 1
            state.path = path
            record(BranchRecord(address: address, taken: taken), state)
            return taken
        }
    }

    func divide(_ op: MicroOp, _ state: ExecutionState) throws(Interruption) {
        let width = Int(op.width)
        let isSymbolic =
            !(state.term(op.a).isNone && state.term(op.b).isNone && state.term(op.third).isNone)
        guard isSymbolic else {
            guard ConcreteOperations.execute(op, state.machine.slots) else {
                throw .exception(GuestException(.divideError))
            }
            clear(op, state)
            return
        }
        let isSigned = op.operation == .divideSigned || op.operation == .remainderSigned
        let isQuotient = op.operation == .divideSigned || op.operation == .divideUnsigned
        var high = value(op.third, width, op, state)
        let low = value(op.a, width, op, state)
        let divisor = value(op.b, width, op, state)
        let extension_ =
            isSigned
            ? arena.signExtend(arena.extract(low, low: width - 1, width: 1), to: width)
            : arena.constant(0, width: width)
        if high != extension_ && 2 * width > 64 {
            // A true 128-bit dividend has no term: the upper half becomes what the lower one extends to, or all is concrete.
            let known = arena.constant(
                try concretised(high, "the upper half of a 128-bit dividend", state), width: width)
            let matches =
                isSigned
                ? try decide(arena.make(.equal, known, extension_), preferring: true, state) : known == extension_
            guard matches else {
                try divideConcretely(op, high: known, low: low, divisor: divisor, state)
                return
            }
            high = extension_
        }
        if try decide(arena.equals(divisor, 0), preferring: false, state) {
            throw .exception(GuestException(.divideError))
        }
        let result: Term
        let fault: Term
        if high == extension_ {
            let operation: Operator =
                isSigned
                ? (isQuotient ? .divideSigned : .remainderSigned)
                : (isQuotient ? .divideUnsigned : .remainderUnsigned)
            result = arena.make(operation, low, divisor)
            // The one quotient that does not fit: the least number by -1.
            fault =
                isSigned
                ? arena.make(
                    .and, arena.equals(low, 1 << UInt64(width - 1)), arena.equals(divisor, lowMask(width)))
                : arena.truth(false)
        } else {
            let dividend = arena.concat(high, low)
            let wide =
                isSigned
                ? arena.signExtend(divisor, to: 2 * width) : arena.zeroExtend(divisor, to: 2 * width)
            let quotient = arena.make(isSigned ? .divideSigned : .divideUnsigned, dividend, wide)
            let remainder = arena.make(isSigned ? .remainderSigned : .remainderUnsigned, dividend, wide)
            let narrow = arena.extract(quotient, low: 0, width: width)
            result = isQuotient ? narrow : arena.extract(remainder, low: 0, width: width)
            let extended =
                isSigned ? arena.signExtend(narrow, to: 2 * width) : arena.zeroExtend(narrow, to: 2 * width)
            fault = arena.notEqual(extended, quotient)
        }
        if try decide(fault, preferring: false, state) { throw .exception(GuestException(.divideError)) }
        set(op.destination, result, state)
    }

    private func divideConcretely(
        _ op: MicroOp, high: Term, low: Term, divisor: Term, _ state: ExecutionState
    ) throws(Interruption) {
        for (slot, term) in [(op.third, high), (op.a, low), (op.b, divisor)]
        where slot != .immediate && slot != .zero {
            let value = try concretised(term, "an operand of a 128-bit division", state)
            state.machine.slots[Int(slot.rawValue)] = value
            state.setTerm(slot, .none)
        }
        guard ConcreteOperations.execute(op, state.machine.slots) else {
            throw .exception(GuestException(.divideError))
        }
        clear(op, state)
    }
}
