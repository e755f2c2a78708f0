import Expressions
import Machine
import X86

/// Loads and stores at concrete addresses, and the symbolic overlay of memory.
extension SymbolicExecutor {
    // MARK: Operations

    func load(_ op: MicroOp, _ state: ExecutionState) throws(Interruption) {
        let bytes = Int(op.width) / 8
        let forStore = op.operation == .loadForStore
        if state.term(op.a).isNone {
            let address = state.machine.slots[Int(op.a.rawValue)] &+ op.immediate
            let (low, high) = try load(address, byteCount: bytes, forStore: forStore, state)
            write(op.destination, low, state)
            if bytes == 16 { write(op.destination.high, high, state) }
            return
        }
        for part in 0..<(bytes == 16 ? 2 : 1) {
            let address = arena.make(
                .add, value(op.a, 64, op, state), arena.constant(op.immediate &+ UInt64(8 * part), width: 64))
            let term = try load(at: address, byteCount: min(bytes, 8), forStore: forStore, state)
            set(part == 0 ? op.destination : op.destination.high, term, state)
        }
    }

    func store(_ op: MicroOp, _ state: ExecutionState) throws(Interruption) {
        let bytes = Int(op.width) / 8
        if !state.term(op.a).isNone {
            let address = arena.make(
                .add, value(op.a, 64, op, state), arena.constant(op.immediate, width: 64))
            if arena.constantValue(address) == nil {
                var terms = [value(op.b, min(64, bytes * 8), op, state)]
                if bytes == 16 { terms.append(value(op.b.high, 64, op, state)) }
                try store(terms, at: address, state)
                return
            }
        }
        let address = state.machine.slots[Int(op.a.rawValue)] &+ op.immediate
        // The slot of an immediate operand reads as the immediate.
        state.machine.slots[Int(Slot.immediate.rawValue)] = op.immediate
        var low = contents(op.b, state)
        if bytes < 8, !low.term.isNone { low.term = resized(low.term, to: bytes * 8) }
        let high = bytes == 16 ? contents(op.b.high, state) : SlotContents()
        try store(low, high, to: address, byteCount: bytes, state)
    }

    // MARK: Concrete addresses

    /// A 64-bit value or a term in its place.
    struct SlotContents {
        var value: UInt64 = 0
        var term = Term.none
    }

    func contents(_ slot: Slot, _ state: ExecutionState) -> SlotContents {
        SlotContents(value: state.machine.slots[Int(slot.rawValue)], term: state.term(slot))
    }

    private func write(_ slot: Slot, _ contents: SlotContents, _ state: ExecutionState) {
        if contents.term.isNone {
            state.machine.slots[Int(slot.rawValue)] = contents.value
            if state.terms[Int(slot.rawValue)] != 0 { state.setTerm(slot, .none) }
        } else {
            set(slot, contents.term, state)
        }
    }

    /// Loads 1 to 16 bytes.
    func load(
        _ address: UInt64, byteCount: Int, forStore: Bool = false, _ state: ExecutionState
    ) throws(Interruption) -> (low: SlotContents, high: SlotContents) {
        let machine = state.machine
        do throws(AccessFailure) {
            let value = try machine.load(address, byteCount: byteCount, forStore: forStore)
            return (SlotContents(value: value.low), SlotContents(value: value.high))
        } catch .exit(.watchedAccess) {
            // On a page with symbolic bytes; looked at below.
        } catch {
            throw interruption(error, state)
        }
        let value: (low: UInt64, high: UInt64)
        do throws(AccessFailure) {
            value = try machine.load(address, byteCount: byteCount, forStore: forStore, ignoringWatch: true)
        } catch {
            throw interruption(error, state)
        }
        let terms = try overlay(address, byteCount, forStore ? .write : .read, state)
        guard let terms else { return (SlotContents(value: value.low), SlotContents(value: value.high)) }
        func half(_ first: Int, _ value: UInt64) -> SlotContents {
            let count = min(8, byteCount - first)
            guard count > 0, terms[first..<first + count].contains(where: { !$0.isNone }) else {
                return SlotContents(value: value)
            }
            let bytes = (0..<count).map { index in
                let term = terms[first + index]
                return term.isNone ? arena.constant(value >> UInt64(8 * index), width: 8) : term
            }
            return SlotContents(value: value, term: joined(bytes))
        }
        return (half(0, value.low), half(8, value.high))
    }

    /// The terms of the bytes at a virtual address, `none` for concrete ones; nil when all are concrete.
    func overlay(
        _ address: UInt64, _ byteCount: Int, _ kind: AccessKind, _ state: ExecutionState
    ) throws(Interruption) -> [Term]? {
        if state.memory.isEmpty { return nil }
        var result: [Term]?
        try forEachPart(address, byteCount, kind, state) { physical, range in
            guard state.memory.hasSymbols(physical, range.count) else { return }
            var terms = result ?? Array(repeating: Term.none, count: byteCount)
            for index in range { terms[index] = state.memory.term(physical + UInt64(index - range.lowerBound)) }
            result = terms
        }
        return result
    }

    /// Calls `body` with the physical address of each page's part of a virtual range, and the part's place in the range.
    func forEachPart(
        _ address: UInt64, _ byteCount: Int, _ kind: AccessKind, _ state: ExecutionState,
        _ body: (UInt64, Range<Int>) throws(Interruption) -> Void
    ) throws(Interruption) {
        var position = 0
        while position < byteCount {
            let current = address &+ UInt64(position)
            let count = min(4096 - Int(current & 4095), byteCount - position)
            let physical: UInt64
            do throws(AccessFailure) {
                physical = try state.machine.translate(current, kind).physicalAddress
            } catch {
                throw interruption(error, state)
            }
            try body(physical, position..<position + count)
            position += count
        }
    }

    /// Stores 1 to 16 bytes.
    func store(
        _ low: SlotContents, _ high: SlotContents, to address: UInt64, byteCount: Int, _ state: ExecutionState
    ) throws(Interruption) {
        let machine = state.machine
        let isSymbolic = !low.term.isNone || !high.term.isNone
        if !isSymbolic {
            do throws(AccessFailure) {
                try machine.store(address, byteCount: byteCount, low: low.value, high: high.value)
                return
            } catch .exit(.watchedAccess) {
                // On a page with symbolic bytes; their terms go.
            } catch {
                throw interruption(error, state)
            }
        }
        var low = low
        var high = high
        if isSymbolic, try !isMemory(address, byteCount, state) {
            // What a device gets must be concrete.
            if !low.term.isNone { low = SlotContents(value: try concretised(low.term, "a store to a device", state)) }
            if !high.term.isNone {
                high = SlotContents(value: try concretised(high.term, "a store to a device", state))
            }
        }
        do throws(AccessFailure) {
            try machine.store(
                address, byteCount: byteCount, low: low.value, high: high.value, ignoringWatch: true)
        } catch {
            throw interruption(error, state)
        }
        let terms = bytes(low, min(8, byteCount)) + (byteCount > 8 ? bytes(high, byteCount - 8) : [])
        try forEachPart(address, byteCount, .write, state) { physical, range throws(Interruption) in
            try setOverlay(physical, Array(terms[range]), state)
        }
    }

    private func bytes(_ contents: SlotContents, _ count: Int) -> [Term] {
        if contents.term.isNone { return Array(repeating: .none, count: count) }
        let term = resized(contents.term, to: 8 * count)
        return (0..<count).map { arena.extract(term, low: 8 * $0, width: 8) }
    }

    /// Whether a virtual range is RAM, as far as it is mapped.
    private func isMemory(_ address: UInt64, _ byteCount: Int, _ state: ExecutionState) throws(Interruption) -> Bool {
        var result = true
        try forEachPart(address, byteCount, .write, state) { physical, _ in
            let isRAM = state.machine.base.regions.contains {
                $0.isWritable && physical >= $0.start && physical - $0.start < $0.byteCount
            }
            if !isRAM { result = false }
        }
        return result
    }

    /// Sets the terms of bytes inside one physical page; a term that is a constant is written to memory instead.
    func setOverlay(_ physical: UInt64, _ terms: [Term], _ state: ExecutionState) throws(Interruption) {
        var terms = terms
        do throws(MachineError) {
            for (index, term) in terms.enumerated() where !term.isNone {
                guard let value = arena.constantValue(term) else { continue }
                try state.machine.writePhysical(physical + UInt64(index), [UInt8(truncatingIfNeeded: value)])
                terms[index] = .none
            }
            if let isSymbolic = state.memory.set(physical, terms) {
                try state.machine.setWatched(physical, isSymbolic)
            }
        } catch {
            throw .end(.memoryFailure(error.description))
        }
    }

    /// Makes the symbolic bytes of a physical range inside one page concrete, by constraints.
    func concretise(
        physical: UInt64, _ byteCount: Int, _ what: String, _ state: ExecutionState
    ) throws(Interruption) {
        guard state.memory.hasSymbols(physical, byteCount) else { return }
        for index in 0..<byteCount {
            let place = physical + UInt64(index)
            let term = state.memory.term(place)
            if term.isNone { continue }
            let value = try concretised(term, what, state)
            try setOverlay(place, [arena.constant(value, width: 8)], state)
        }
    }

    /// Makes the symbolic bytes of a virtual range concrete.
    func concretise(
        _ address: UInt64, _ byteCount: Int, _ kind: AccessKind, _ what: String, _ state: ExecutionState
    ) throws(Interruption) {
        if state.memory.isEmpty { return }
        try forEachPart(address, byteCount, kind, state) { physical, range throws(Interruption) in
            try concretise(physical: physical, range.count, what, state)
        }
    }
}
