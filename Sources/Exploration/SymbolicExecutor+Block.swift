import Expressions
import Machine
import X86

/// The symbolic interpreter's loop over the micro-operations of a block.
extension SymbolicExecutor {
    /// Executes a block from its start. RIP and the count of retired instructions are right whatever way it is left.
    func execute(_ block: Block, _ state: ExecutionState) throws(Interruption) {
        let machine = state.machine
        let slots = machine.slots
        retiredInBlock = 0
        var index = 0
        let count = block.operations.count
        do throws(Interruption) {
            while index < count {
                let op = block.operations[index]
                switch op.operation {
                case .load, .loadForStore:
                    position(block, index, state)
                    try load(op, state)
                case .store:
                    position(block, index, state)
                    try store(op, state)
                case .requireAligned:
                    position(block, index, state)
                    try concretise(op.a, "the address of an aligned vector operand", state)
                    if (slots[Int(op.a.rawValue)] &+ op.immediate) & (UInt64(op.width) &- 1) != 0 {
                        throw .exception(.generalProtection)
                    }
                case .branch:
                    position(block, index, state)
                    if try branch(op, block, state) {
                        leave(block, to: op.immediate, state)
                        return
                    }
                case .jump:
                    leave(block, to: op.immediate, state)
                    return
                case .jumpIndirect:
                    try jumpIndirect(op, block, index, state)
                    return
                case .helper:
                    position(block, index, state)
                    try helper(op, state)
                case .raise: throw .exception(GuestException(raising: op.immediate))
                case .hypercall:
                    leave(block, to: end(of: block), state)
                    try hypercall(UInt16(truncatingIfNeeded: op.immediate), state)
                    return
                case .s2eOpcode:
                    leave(block, to: end(of: block), state)
                    throw .end(Self.end(.s2eOpcode(op.immediate), state))
                case .halt:
                    leave(block, to: end(of: block), state)
                    machine.processor.isHalted = true
                    throw .end(.halted)
                case .unsupported:
                    leave(block, to: end(of: block), state)
                    throw .end(.unsupported(address: end(of: block), bytes: block.unsupportedBytes))
                case .divideUnsigned, .divideSigned, .remainderUnsigned, .remainderSigned:
                    position(block, index, state)
                    try divide(op, state)
                default:
                    if touchesTerm(op, state) {
                        try symbolicOperation(op, state)
                    } else {
                        _ = ConcreteOperations.execute(op, slots)
                        clear(op, state)
                    }
                }
                index += 1
            }
        } catch {
            try unwind(error, block, index, state)
        }
    }

    /// Whether an operand of a pure operation has a term.
    @inline(__always)
    private func touchesTerm(_ op: MicroOp, _ state: ExecutionState) -> Bool {
        let terms = state.terms
        var found = terms[Int(op.a.rawValue)] | terms[Int(op.b.rawValue)]
        if op.operation.immediateIsSlot { found |= terms[Int(op.third.rawValue)] }
        if op.width == 128 { found |= terms[Int(op.a.rawValue) + 1] }
        return found != 0
    }

    /// The destination of a concrete result has no term any more.
    @inline(__always)
    func clear(_ op: MicroOp, _ state: ExecutionState) {
        if state.terms[Int(op.destination.rawValue)] != 0 { state.setTerm(op.destination, .none) }
        if op.width == 128 && state.terms[Int(op.destination.rawValue) + 1] != 0 {
            state.setTerm(op.destination.high, .none)
        }
    }

    /// Sets RIP to the instruction of an operation that may stop, fork or fault. What has retired before it is counted at the
    /// block's end. Operations come in ascending order.
    @inline(__always)
    private func position(_ block: Block, _ index: Int, _ state: ExecutionState) {
        let records = block.instructions
        while retiredInBlock + 1 < records.count && records[retiredInBlock + 1].firstOperation <= index {
            retiredInBlock += 1
        }
        if retiredInBlock < records.count { state.machine.slots[Int(Slot.rip.rawValue)] = records[retiredInBlock].rip }
    }

    private func end(of block: Block) -> UInt64 {
        block.instructions.last.map { $0.rip &+ UInt64($0.length) } ?? block.rip
    }

    /// Leaves a block whose instructions all retired.
    func leave(_ block: Block, to address: UInt64, _ state: ExecutionState) {
        state.machine.slots[Int(Slot.rip.rawValue)] = address
        state.machine.retiredInstructions &+= UInt64(block.instructions.count)
    }

    /// Puts RIP and the count to the instruction of operation `index`, and passes the reason on.
    private func unwind(
        _ reason: Interruption, _ block: Block, _ index: Int, _ state: ExecutionState
    ) throws(Interruption) {
        // Terminators that ended the path have already left the block.
        if index < block.operations.count {
            switch block.operations[index].operation {
            case .hypercall, .s2eOpcode, .halt, .unsupported, .jumpIndirect: throw reason
            default: break
            }
        }
        guard let instruction = block.instructionIndex(ofOperation: index) else { throw reason }
        let record = block.instructions[instruction]
        state.machine.retiredInstructions &+= UInt64(instruction)
        state.machine.slots[Int(Slot.rip.rawValue)] = record.rip
        if case .exception(let exception) = reason, exception.isSoftware {
            state.machine.slots[Int(Slot.rip.rawValue)] = record.rip &+ UInt64(record.length)
            state.machine.retiredInstructions &+= 1
        }
        throw reason
    }
}
