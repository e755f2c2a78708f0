import X86

// Flags are computed when somebody can look. Where they are replaced first they never are; at the end of a block the operands of the operation
// that they come from are left for whoever needs them (`SystemState.pendingFlags`)
extension Translator {
    /// Kinds of operations in `SystemState.pendingFlags`.
    static func code(_ kind: Arithmetic.Kind, _ width: UInt8) -> UInt64 {
        let number: UInt64 =
            switch kind {
            case .none: 0
            case .add: 1
            case .subtract: 2
            case .logic: 3
            }
        return number | UInt64(width) << 8
    }

    // In the block

    /// Leaves a flag to be computed later.
    ///
    /// - Returns: false when the operation is not one of those whose flags can wait.
    func postpone(_ op: MicroOp) -> Bool {
        let bit = FlagBits.bit(Int(op.destination.rawValue))
        guard bit != 0, let arithmetic = source(of: op, bit) else { return false }
        // An operand that is the flag itself would be lost.
        for operand in [arithmetic.a, arithmetic.b] where !operand.isConstant {
            if operand.slot == Int(op.destination.rawValue) { return false }
        }
        defineInMemory(op.destination, bound: 1)
        if let known = records.firstIndex(where: { $0.arithmetic.hasFlags(of: arithmetic) }) {
            records[known].flags |= bit
        } else {
            // Three records and their operands are what there are places for.
            if records.count == 3 { materialize(records[0].flags) }
            records.append(FlagRecord(arithmetic: arithmetic, flags: bit))
        }
        return true
    }

    /// The operation whose flag `bit` is what `op` computes.
    private func source(of op: MicroOp, _ bit: UInt8) -> Arithmetic? {
        let width = op.width
        func current(_ slot: Slot) -> Arithmetic? {
            guard slot != .immediate, slot != .zero else { return nil }
            let origin = slots[Int(slot.rawValue)].origin
            guard origin.kind != .none else { return nil }
            if origin.kind == .logic { return logic(slot, origin.width) }
            return isCurrent(origin.a) && isCurrent(origin.b) ? origin : nil
        }
        func logic(_ slot: Slot, _ width: UInt8) -> Arithmetic? {
            let value = known(slot, op)
            guard !value.isConstant else { return nil }
            return Arithmetic(kind: .logic, width: width, a: value, b: value, result: value)
        }
        switch op.operation {
        case .parity where bit == FlagBits.parity: return current(op.a) ?? logic(op.a, 8)
        case .sign where bit == FlagBits.sign && width >= 8:
            if let origin = current(op.a), origin.width == width { return origin }
            return logic(op.a, width)
        case .equal where width >= 8:
            let b = known(op.b, op, width)
            if bit == FlagBits.overflow {
                guard let origin = current(op.a), origin.width == width, isOverflowConstant(b, origin) else {
                    return nil
                }
                return origin
            }
            guard bit == FlagBits.zero else { return nil }
            if b == .zero {
                // A comparison with 0, of which other flags wait already.
                if let comparison = comparison(op), records.contains(where: { $0.arithmetic.hasFlags(of: comparison) })
                {
                    return comparison
                }
                if let origin = current(op.a), origin.width == width { return origin }
                return logic(op.a, width)
            }
            return comparison(op)
        case .lessUnsigned where bit == FlagBits.carry && width >= 8:
            let b = known(op.b, op, width)
            if let origin = current(op.a), origin.kind == .add, origin.width == width, b == origin.a || b == origin.b {
                return origin
            }
            return comparison(op)
        case .overflowAdd where bit == FlagBits.overflow, .overflowSubtract where bit == FlagBits.overflow,
            .auxiliaryCarry where bit == FlagBits.auxiliary:
            guard let origin = current(op.third), origin.kind != .logic else { return nil }
            if op.operation != .auxiliaryCarry {
                guard origin.width == width, origin.kind == (op.operation == .overflowAdd ? .add : .subtract) else {
                    return nil
                }
            }
            guard origin.a == known(op.a, op, origin.width), origin.b == known(op.b, op, origin.width) else {
                return nil
            }
            return origin
        default: return nil
        }
    }

    private func comparison(_ op: MicroOp) -> Arithmetic? {
        let (a, b) = (known(op.a, op, op.width), known(op.b, op, op.width))
        guard !a.isConstant || !b.isConstant else { return nil }
        return Arithmetic(kind: .subtract, width: op.width, a: a, b: b, result: nil)
    }

    /// The value is still where its slot is.
    private func isCurrent(_ value: KnownValue) -> Bool {
        if value.isConstant { return true }
        let state = slots[value.slot]
        return state.version == UInt32(truncatingIfNeeded: value.bits)
            && (state.register != SlotState.noRegister || state.isInMemory)
    }

    /// Computes the flags that an operation reads.
    func materializeSources(_ op: MicroOp) {
        guard !records.isEmpty else { return }
        var read: UInt8 = 0
        Self.forEachSource(op) { read |= FlagBits.bit($0) }
        if read != 0 { materialize(read) }
    }

    /// The branch at `position` is followed by the end of the block.
    func isLastBranch(_ position: Int) -> Bool {
        position + 2 == operations.count && operations[position + 1].operation == .jump
    }

    /// True when flags wait for what `slot` holds.
    func isHeld(_ slot: Int) -> Bool {
        guard !records.isEmpty else { return false }
        let value = KnownValue(isConstant: false, bits: UInt64(slot) << 32 | UInt64(slots[slot].version))
        return records.contains { $0.arithmetic.a == value || $0.arithmetic.b == value }
    }

    /// `slot` is about to be defined anew: its flag need not be computed, and its old value moves elsewhere if flags wait for it.
    func giveUp(_ slot: Int) {
        guard !records.isEmpty else { return }
        let bit = FlagBits.bit(slot)
        if bit != 0 { drop(bit) }
        guard isHeld(slot) else { return }
        guard let hidden = (Self.firstHidden..<Self.firstHidden + Self.hiddenCount).first(where: { !isHeld($0) }) else {
            return
        }
        if slots[hidden].register != SlotState.noRegister { release(HostRegister(slots[hidden].register)) }
        let old = KnownValue(isConstant: false, bits: UInt64(slot) << 32 | UInt64(slots[slot].version))
        let register: HostRegister
        if slots[slot].register != SlotState.noRegister {
            register = HostRegister(slots[slot].register)
            slots[slot].register = SlotState.noRegister
        } else {
            register = allocate()
            code.load(register, place(slot), FlagBits.bit(slot) != 0 ? 8 : 64)
        }
        slots[hidden].register = register.number
        slots[hidden].isInMemory = false
        slots[hidden].version &+= 1
        registerSlot[Int(register.number)] = Int16(hidden)
        let new = KnownValue(
            isConstant: false, bits: UInt64(hidden) << 32 | UInt64(slots[hidden].version))
        for index in records.indices {
            if records[index].arithmetic.a == old { records[index].arithmetic.a = new }
            if records[index].arithmetic.b == old { records[index].arithmetic.b = new }
        }
        if flags.a == old { flags.a = new }
        if flags.b == old { flags.b = new }
    }

    func drop(_ bits: UInt8) {
        for index in records.indices { records[index].flags &= ~bits }
        records.removeAll { $0.flags == 0 }
    }

    // Ends

    /// Makes the slot file's flags those of this point, whoever reads them.
    func settleFlags() {
        materialize()
        clearPending()
    }

    private func clearPending() {
        if pending == .stale {
            code.store(NativeFrame.pendingFlags, constant: 0, 32)
            pending = .clear
        }
    }

    /// Before the block is left for other blocks: the flags wait for them, if they all come from one operation.
    func leaveFlags() {
        guard !records.isEmpty else {
            clearPending()
            return
        }
        if records.count == 1, pending != .inherited {
            let record = records[0]
            let zeros: [Slot] = [.cf, .af, .of]
            let isLogic =
                record.arithmetic.kind == .logic && record.flags == FlagBits.result
                && zeros.allSatisfy {
                    slots[Int($0.rawValue)].isConstant && slots[Int($0.rawValue)].constant == 0
                }
            if isLogic || (record.arithmetic.kind != .logic && record.flags == FlagBits.all) {
                if isLogic { for slot in zeros { slots[Int(slot.rawValue)].isInMemory = true } }
                leave(record.arithmetic.a, NativeFrame.pendingFlagA)
                if !isLogic { leave(record.arithmetic.b, NativeFrame.pendingFlagB) }
                code.store(
                    NativeFrame.pendingFlags, constant: Self.code(record.arithmetic.kind, record.arithmetic.width), 32)
                records.removeAll(keepingCapacity: true)
                pending = .clear
                return
            }
        }
        settleFlags()
    }

    /// EFLAGS stay.
    private func leave(_ value: KnownValue, _ to: HostAddress) {
        switch place(value) {
        case .constant(let constant) where CodeAssembler.fits32(constant): code.store(to, constant: constant)
        case .register(let register): code.store(to, register)
        case let other:
            load(.rcx, other)
            code.store(to, .rcx)
        }
    }
}
