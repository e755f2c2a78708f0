import Expressions
import Machine
import X86

/// Reading and writing slots as terms, decisions, and making values concrete.
extension SymbolicExecutor {
    /// The low `width` bits (at most 64) of a slot as a term.
    func value(_ slot: Slot, _ width: Int, _ op: MicroOp, _ state: ExecutionState) -> Term {
        if slot == .immediate { return arena.constant(op.immediate, width: width) }
        let term = state.term(slot)
        if term.isNone { return arena.constant(state.machine.slots[Int(slot.rawValue)], width: width) }
        return resized(term, to: width)
    }

    /// A term cut or zero-extended to `width` bits.
    func resized(_ term: Term, to width: Int) -> Term {
        let present = arena.width(term)
        if present == width { return term }
        return present > width ? arena.extract(term, low: 0, width: width) : arena.zeroExtend(term, to: width)
    }

    /// Writes a term, zero-extended, to a slot; a constant becomes the machine's value.
    func set(_ slot: Slot, _ term: Term, _ state: ExecutionState) {
        if let value = arena.constantValue(term) {
            state.machine.slots[Int(slot.rawValue)] = value
            state.setTerm(slot, .none)
        } else {
            state.setTerm(slot, term)
        }
    }

    // MARK: Decisions

    /// Whether a condition holds. When both are possible, a fork of the state takes the other answer, at the same instruction
    /// again; this state goes on with `preferred`.
    func decide(
        _ condition: Term, preferring preferred: Bool = true, _ state: ExecutionState
    ) throws(Interruption) -> Bool {
        let outcome = try ask { () throws(ExpressionsError) in
            try solver.branch(on: condition, of: state.path)
        }
        switch outcome {
        case .always(let value): return value
        case .both(let taken, let notTaken):
            let child = fork(state, path: preferred ? notTaken : taken)
            child.machine.retiredInstructions &+= UInt64(retiredInBlock)
            state.path = preferred ? taken : notTaken
            return preferred
        case .one(let value, let path, _):
            statistics.abandoned += 1
            state.path = path
            return value
        }
    }

    // MARK: Making concrete

    /// The term's value under the path's example, made the only one by a constraint.
    func concretised(_ term: Term, _ what: String, _ state: ExecutionState) throws(Interruption) -> UInt64 {
        if let value = arena.constantValue(term) { return value }
        let value = solver.example(term, on: state.path)
        let same = arena.equals(term, value)
        let outcome = try ask { () throws(ExpressionsError) in try solver.branch(on: same, of: state.path) }
        var isOnly = false
        switch outcome {
        case .always: isOnly = true
        case .both(let taken, _): state.path = taken
        case .one(_, let path, _): state.path = path
        }
        if !isOnly {
            statistics.concretisations += 1
            state.concretisations.append(
                Concretisation(
                    address: state.instructionPointer, what: what, value: value, isOnlyValue: false))
        }
        return value
    }

    /// Makes a slot concrete.
    func concretise(_ slot: Slot, _ what: @autoclosure () -> String, _ state: ExecutionState) throws(Interruption) {
        let term = state.term(slot)
        if term.isNone { return }
        state.machine.slots[Int(slot.rawValue)] = try concretised(term, what(), state)
        state.setTerm(slot, .none)
    }

    /// Gives a slot the value that it has under the path's example, without a constraint; its term goes.
    func exemplify(_ slot: Slot, _ state: ExecutionState) {
        let term = state.term(slot)
        if term.isNone { return }
        state.machine.slots[Int(slot.rawValue)] = solver.example(term, on: state.path)
        state.setTerm(slot, .none)
    }

    // MARK: Flags

    /// The arithmetic flags and DF with their places in RFLAGS.
    static let flagPlaces: [(slot: Slot, bit: Int)] = [
        (.cf, 0), (.pf, 2), (.af, 4), (.zf, 6), (.sf, 7), (.df, 10), (.of, 11),
    ]

    /// The terms of the flags that have one.
    func flagTerms(_ state: ExecutionState) -> [(slot: Slot, bit: Int, term: Term)] {
        Self.flagPlaces.compactMap { place in
            let term = state.term(place.slot)
            return term.isNone ? nil : (place.slot, place.bit, resized(term, to: 1))
        }
    }

    /// `base` with the bits of `flags` replaced by their terms, as a 64-bit term.
    func flagsWord(_ base: UInt64, _ flags: [(slot: Slot, bit: Int, term: Term)]) -> Term {
        var result = arena.constant(base, width: 64)
        for flag in flags {
            let high = arena.extract(result, low: flag.bit + 1, width: 63 - flag.bit)
            let upper = arena.concat(high, flag.term)
            result =
                flag.bit == 0
                ? upper : arena.concat(upper, arena.extract(result, low: 0, width: flag.bit))
        }
        return result
    }

    /// The terms of the flags in a 64-bit flags word; nil when a bit of the word that is no such flag is symbolic.
    func flags(inWord word: Term) -> [(slot: Slot, bit: Int, term: Term)]? {
        var result: [(slot: Slot, bit: Int, term: Term)] = []
        for bit in 0..<64 {
            let term = arena.extract(word, low: bit, width: 1)
            if arena.constantValue(term) != nil { continue }
            guard let place = Self.flagPlaces.first(where: { $0.bit == bit }) else { return nil }
            result.append((place.slot, bit, term))
        }
        return result
    }
}
