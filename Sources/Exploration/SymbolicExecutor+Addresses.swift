import Expressions
import Machine
import X86

/// Loads, stores and jumps at symbolic addresses.
///
/// The policy: an address is first confined to a window of three pages around the example's page (other windows go to forks, at most
/// ``ExplorationLimits/maximumWindows`` at one instruction). A load inside a window becomes a constant table over the feasible
/// range, with choices for its symbolic bytes; a store becomes a choice per byte when few places are possible. What does not fit
/// is forked over its feasible values, at most ``ExplorationLimits/maximumValues``.
extension SymbolicExecutor {
    func load(
        at address: Term, byteCount: Int, forStore: Bool, _ state: ExecutionState
    ) throws(Interruption) -> Term {
        if let known = arena.constantValue(address) {
            return try loadTerm(known, byteCount, forStore, state)
        }
        // What the shape of the address allows, where that is little and all there: no question to the solver.
        let range = shapeRange(address, state)
        if let range, (range.last - range.first) / range.step < 1024,
            let term = try table(address, range, byteCount, forStore, state)
        {
            return term
        }
        if let range = try confine(address, state),
            let term = try table(address, range, byteCount, forStore, state)
        {
            return term
        }
        return try loadTerm(try oneValue(of: address, "the address of a load", state), byteCount, forStore, state)
    }

    private func loadTerm(
        _ address: UInt64, _ byteCount: Int, _ forStore: Bool, _ state: ExecutionState
    ) throws(Interruption) -> Term {
        let contents = try load(address, byteCount: byteCount, forStore: forStore, state).low
        return contents.term.isNone
            ? arena.constant(contents.value, width: 8 * byteCount) : resized(contents.term, to: 8 * byteCount)
    }

    func store(_ values: [Term], at address: Term, _ state: ExecutionState) throws(Interruption) {
        if values.count == 1, let range = try confine(address, state) {
            let places = (range.last - range.first) / range.step + 1
            if places <= UInt64(limits.maximumStorePlaces),
                try storeChoices(values[0], at: address, range, state)
            {
                return
            }
        }
        let known = try oneValue(of: address, "the address of a store", state)
        let low = SlotContents(term: values[0])
        let high = values.count == 2 ? SlotContents(term: values[1]) : SlotContents()
        try store(
            low, high, to: known, byteCount: values.count == 2 ? 16 : arena.width(values[0]) / 8, state)
    }

    /// Goes on at a symbolic address: one state for each feasible target.
    func jumpIndirect(
        _ op: MicroOp, _ block: Block, _ index: Int, _ state: ExecutionState
    ) throws(Interruption) {
        let term = state.term(op.a)
        if term.isNone {
            leave(block, to: state.machine.slots[Int(op.a.rawValue)], state)
            return
        }
        let target = resized(term, to: 64)
        let (values, isComplete) = try ask { () throws(ExpressionsError) in
            try solver.values(of: target, on: state.path, limit: limits.maximumValues)
        }
        // RIP was moved to this instruction only if it could stop before.
        if let instruction = block.instructionIndex(ofOperation: index) {
            state.machine.slots[Int(Slot.rip.rawValue)] = block.instructions[instruction].rip
        }
        if !isComplete {
            statistics.abandoned += 1
            state.concretisations.append(
                Concretisation(
                    address: state.instructionPointer, what: "the target of a jump, other values left out",
                    value: values[0].value, isOnlyValue: false))
        }
        for (value, path) in values.dropFirst() {
            let child = fork(state, path: path)
            leave(block, to: value, child)
        }
        state.path = values[0].path
        leave(block, to: values[0].value, state)
    }

    // MARK: Values

    /// One feasible value of a term; the others go to forks of the state, at this instruction again.
    private func oneValue(of term: Term, _ what: String, _ state: ExecutionState) throws(Interruption) -> UInt64 {
        let (values, isComplete) = try ask { () throws(ExpressionsError) in
            try solver.values(of: term, on: state.path, limit: limits.maximumValues)
        }
        if !isComplete {
            statistics.abandoned += 1
            state.concretisations.append(
                Concretisation(
                    address: state.instructionPointer, what: "\(what), other values left out",
                    value: values[0].value, isOnlyValue: false))
        }
        for (_, path) in values.dropFirst() {
            let child = fork(state, path: path)
            child.machine.retiredInstructions &+= UInt64(retiredInBlock)
        }
        state.path = values[0].path
        return values[0].value
    }

    // MARK: Windows and ranges

    /// Feasible addresses: from `first` to `last` in steps of `step`, at most.
    struct AddressRange {
        var first: UInt64
        var last: UInt64
        var step: UInt64
    }

    /// What addresses are apart from each other, from the shape.
    private func step(_ address: Term) -> UInt64 { 1 << UInt64(min(12, arena.fixedLowBits(address))) }

    /// The range that the shape of an address allows; nil when it is larger than two pages.
    private func shapeRange(_ address: Term, _ state: ExecutionState) -> AddressRange? {
        let bounds = arena.unsignedBounds(address)
        guard bounds.upper - bounds.lower <= 8191 else { return nil }
        var step = step(address)
        // All addresses agree in the bits below the step with any one of them; the bounds need not be addresses.
        let phase = solver.example(address, on: state.path) & (step - 1)
        if bounds.lower & (step - 1) != phase || bounds.upper & (step - 1) != phase { step = 1 }
        return AddressRange(first: bounds.lower, last: bounds.upper, step: step)
    }

    /// The range of an address inside a window; nil when windows were tried often enough here.
    private func confine(_ address: Term, _ state: ExecutionState) throws(Interruption) -> AddressRange? {
        if let range = shapeRange(address, state) { return try tightened(address, range, state) }
        let example = solver.example(address, on: state.path)
        let step = self.step(address)
        let window = (example & ~4095) &- 4096
        let offset = arena.make(.subtract, address, arena.constant(window, width: 64))
        let inside = arena.make(.lessUnsigned, offset, arena.constant(3 * 4096, width: 64))
        if window > UInt64.max - 3 * 4096 || window < 4096 { return nil }
        if state.addressSplits.address != state.instructionPointer {
            state.addressSplits = (state.instructionPointer, 0)
        }
        guard state.addressSplits.count < limits.maximumWindows else { return nil }
        state.addressSplits.count += 1
        guard try decide(inside, preferring: true, state) else { return nil }
        return try tightened(
            address, AddressRange(first: window, last: window + 3 * 4096 - 1, step: step), state)
    }

    /// The range with its ends moved in by bisection, as far as the solver proves it.
    private func tightened(
        _ address: Term, _ range: AddressRange, _ state: ExecutionState
    ) throws(Interruption) -> AddressRange {
        let example = solver.example(address, on: state.path)
        // All feasible addresses agree with the example in the bits below the step.
        let phase = example & (range.step - 1)
        var result = range
        if (range.last - range.first) / range.step > 16 {
            result.first = try bound(address, from: range.first, to: example, isLower: true, state)
            result.last = try bound(address, from: example, to: range.last, isLower: false, state)
        }
        result.first = result.first &+ ((phase &- result.first) & (range.step - 1))
        result.last = result.last &- ((result.last &- phase) & (range.step - 1))
        return result
    }

    private func bound(
        _ address: Term, from low: UInt64, to high: UInt64, isLower: Bool, _ state: ExecutionState
    ) throws(Interruption) -> UInt64 {
        var low = low
        var high = high
        while low < high {
            let middle = low + (high - low) / 2
            let condition =
                isLower
                ? arena.make(.lessUnsigned, address, arena.constant(middle + 1, width: 64))
                : arena.make(.lessUnsigned, arena.constant(middle, width: 64), address)
            let answer = try ask { () throws(ExpressionsError) in
                try solver.satisfy(condition, on: state.path)
            }
            switch answer {
            case .possible: if isLower { high = middle } else { low = middle + 1 }
            case .impossible: if isLower { low = middle + 1 } else { high = middle }
            // Not proved: the wider range is right too.
            case .unknown: return isLower ? low : high
            }
        }
        return low
    }

    // MARK: Tables

    /// The element at a symbolic address, or nil when some of the range is not plain memory.
    private func table(
        _ address: Term, _ range: AddressRange, _ byteCount: Int, _ forStore: Bool, _ state: ExecutionState
    ) throws(Interruption) -> Term? {
        let places = Int((range.last - range.first) / range.step) + 1
        guard places <= min(limits.maximumTableElements, 1 << 16) else { return nil }
        let span = Int(range.last - range.first) + byteCount
        let bytes: [UInt8]
        do throws(AccessFailure) {
            if forStore { _ = try state.machine.translate(range.first, .write) }
            bytes = try state.machine.readVirtual(range.first, count: span)
        } catch {
            return nil
        }
        let terms = try overlay(range.first, span, .read, state)
        let width = 8 * byteCount
        func place(_ index: Int) -> Int { index * Int(range.step) }
        let elements = (0..<places).map { index in
            (0..<byteCount).reduce(UInt64(0)) { $0 | UInt64(bytes[place(index) + $1]) << UInt64(8 * $1) }
        }
        // A choice for every element with a symbolic byte.
        var symbolic: [(index: Int, term: Term)] = []
        if let terms {
            for index in 0..<places {
                let part = terms[place(index)..<place(index) + byteCount]
                guard part.contains(where: { !$0.isNone }) else { continue }
                symbolic.append(
                    (
                        index,
                        joined(
                            part.enumerated().map { offset, term in
                                term.isNone
                                    ? arena.constant(UInt64(bytes[place(index) + offset]), width: 8) : term
                            })
                    ))
            }
            guard symbolic.count <= limits.maximumChoices else { return nil }
        }
        statistics.tableLoads += 1
        let offset = arena.make(.subtract, address, arena.constant(range.first, width: 64))
        let shift = range.step.trailingZeroBitCount
        var result: Term
        if places == 1 {
            result = arena.constant(elements[0], width: width)
        } else {
            let table = ConstantTable(elements: elements, elementWidth: width)
            result = arena.load(table, at: arena.extract(offset, low: shift, width: table.indexWidth))
        }
        for (index, term) in symbolic {
            result = arena.ifThenElse(arena.equals(offset, UInt64(place(index))), term, result)
        }
        return result
    }

    /// Stores at one of a few places: each byte becomes a choice. False when some of the range is not plain memory.
    private func storeChoices(
        _ value: Term, at address: Term, _ range: AddressRange, _ state: ExecutionState
    ) throws(Interruption) -> Bool {
        let byteCount = arena.width(value) / 8
        let span = Int(range.last - range.first) + byteCount
        let bytes: [UInt8]
        var parts: [(physical: UInt64, range: Range<Int>)] = []
        do throws(AccessFailure) {
            bytes = try state.machine.readVirtual(range.first, count: span)
            var position = 0
            while position < span {
                let current = range.first + UInt64(position)
                let count = min(4096 - Int(current & 4095), span - position)
                let physical = try state.machine.translate(current, .write).physicalAddress
                guard
                    state.machine.base.regions.contains(where: {
                        $0.isWritable && physical >= $0.start && physical - $0.start < $0.byteCount
                    })
                else { return false }
                parts.append((physical, position..<position + count))
                position += count
            }
        } catch {
            return false
        }
        let old = try overlay(range.first, span, .write, state)
        var new = bytes.enumerated().map { index, byte in
            let term = old?[index] ?? .none
            return term.isNone ? arena.constant(UInt64(byte), width: 8) : term
        }
        var place = 0
        while place + byteCount <= span {
            let here = arena.equals(address, range.first + UInt64(place))
            for index in 0..<byteCount {
                new[place + index] = arena.ifThenElse(
                    here, arena.extract(value, low: 8 * index, width: 8), new[place + index])
            }
            place += Int(range.step)
        }
        for part in parts { try setOverlay(part.physical, Array(new[part.range]), state) }
        return true
    }
}
