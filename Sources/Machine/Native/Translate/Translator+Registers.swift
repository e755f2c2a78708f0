import X86

// Which slot is in which register
extension Translator {
    /// Counts the operands of an operation that is about to be emitted.
    func consume(_ op: MicroOp) { Self.forEachSource(op) { slots[$0].usesLeft -= 1 } }

    /// Gives back the registers of dead temporaries and of values without slot.
    func finishOperation() {
        locked = 0
        var used = Self.poolMask & ~free
        while used != 0 {
            let register = used.trailingZeroBitCount
            used &= used - 1
            let slot = registerSlot[register]
            if slot == Self.unnamed || (slot >= 128 && slots[Int(slot)].usesLeft <= 0 && !isHeld(Int(slot))) {
                release(HostRegister(UInt8(register)))
            }
        }
    }

    func release(_ register: HostRegister) {
        let slot = registerSlot[Int(register.number)]
        if slot >= 0 { slots[Int(slot)].register = SlotState.noRegister }
        registerSlot[Int(register.number)] = Self.noSlot
        free |= 1 << UInt16(register.number)
    }

    /// A register for a value without slot; locked.
    func allocate() -> HostRegister {
        let register: HostRegister
        if free != 0 {
            register = HostRegister(UInt8(free.trailingZeroBitCount))
        } else {
            register = victim()
            spill(register)
            release(register)
        }
        free &= ~(1 << UInt16(register.number))
        registerSlot[Int(register.number)] = Self.unnamed
        lock(register)
        return register
    }

    private func lock(_ register: HostRegister) {
        locked |= 1 << UInt16(register.number)
        time &+= 1
        lastUse[Int(register.number)] = time
    }

    /// The register that was not used for the longest time, one that needs no store if possible.
    private func victim() -> HostRegister {
        var best = Self.pool[0]
        var bestAge = UInt32.max
        for register in Self.pool where locked & 1 << UInt16(register.number) == 0 {
            let slot = registerSlot[Int(register.number)]
            let isClean = slot >= 0 && (slots[Int(slot)].isInMemory || slots[Int(slot)].isConstant)
            // A clean register counts as older by this many uses.
            let age = lastUse[Int(register.number)]
            let weighted = isClean ? age - min(age, 8) : age
            if weighted < bestAge {
                best = register
                bestAge = weighted
            }
        }
        return best
    }

    /// Writes a register's slot to the slot file when that lacks the value.
    private func spill(_ register: HostRegister) {
        let slot = registerSlot[Int(register.number)]
        guard slot >= 0, !slots[Int(slot)].isInMemory, !slots[Int(slot)].isConstant else { return }
        if slot >= 128, slots[Int(slot)].usesLeft <= 0, !isHeld(Int(slot)) { return }
        code.store(place(Int(slot)), register)
        slots[Int(slot)].isInMemory = true
    }

    /// The value of an operand as far as it is known.
    func known(_ slot: Slot, _ op: MicroOp) -> KnownValue {
        if slot == .immediate { return .constant(op.immediate) }
        let index = Int(slot.rawValue)
        if slots[index].isConstant { return .constant(slots[index].constant) }
        return KnownValue(isConstant: false, bits: UInt64(index) << 32 | UInt64(slots[index].version))
    }

    /// As above, constants cut to `width` bits.
    func known(_ slot: Slot, _ op: MicroOp, _ width: UInt8) -> KnownValue {
        var value = known(slot, op)
        if value.isConstant { value.bits &= Self.mask(width) }
        return value
    }

    /// The constant that an operand holds, if it does.
    func constant(_ slot: Slot, _ op: MicroOp) -> UInt64? {
        let value = known(slot, op)
        return value.isConstant ? value.bits : nil
    }

    /// Upper bound of an operand.
    func bound(_ slot: Slot, _ op: MicroOp) -> UInt64 {
        if let constant = constant(slot, op) { return constant }
        return slots[Int(slot.rawValue)].bound
    }

    /// A register with the operand's 64 bits, not to be changed; locked. EFLAGS stay.
    func register(_ slot: Slot, _ op: MicroOp) -> HostRegister {
        if slot == .immediate || slot == .zero {
            let result = allocate()
            code.move(result, constant: slot == .zero ? 0 : op.immediate)
            return result
        }
        let index = Int(slot.rawValue)
        if slots[index].register != SlotState.noRegister {
            let result = HostRegister(slots[index].register)
            lock(result)
            return result
        }
        let result = allocate()
        registerSlot[Int(result.number)] = Int16(index)
        slots[index].register = result.number
        if slots[index].isConstant {
            code.move(result, constant: slots[index].constant)
        } else {
            // Flags were perhaps written as one byte.
            code.load(result, place(index), (17...23).contains(index) ? 8 : 64)
        }
        return result
    }

    /// Copies an operand to a scratch register.
    func copy(_ to: HostRegister, _ slot: Slot, _ op: MicroOp, _ width: UInt8 = 64) {
        if let constant = constant(slot, op) {
            code.move(to, constant: constant & (~0 >> UInt64(64 - width)))
        } else {
            let from = register(slot, op)
            if width == 64 { code.move(to, from) } else { code.zeroExtend(to, from, width) }
        }
    }

    /// A register that holds `slot`'s value and may be changed, to become the operation's destination: the operand's own when nobody needs it
    /// any more, else a copy.
    func destination(from slot: Slot, _ op: MicroOp) -> HostRegister {
        if slot == .immediate || slot == .zero { return register(slot, op) }
        let index = Int(slot.rawValue)
        let source = register(slot, op)
        let isLast = slot.isTemporary && slots[index].usesLeft <= 0
        if isLast || slot == op.destination, !isHeld(index) {
            // The value is about to be overwritten.
            slots[index].register = SlotState.noRegister
            registerSlot[Int(source.number)] = Self.unnamed
            if !isLast { forget(slot) }
            return source
        }
        let result = allocate()
        code.move(result, source)
        return result
    }

    /// The slot's old value is not wanted any more, in whatever place.
    private func forget(_ slot: Slot) {
        let index = Int(slot.rawValue)
        giveUp(index)
        let old = slots[index].register
        if old != SlotState.noRegister { release(HostRegister(old)) }
        slots[index].isConstant = false
    }

    /// `register`, which is without slot, now holds `slot`.
    func define(_ slot: Slot, _ register: HostRegister, bound: UInt64 = .max, origin: Arithmetic = .none) {
        forget(slot)
        let index = Int(slot.rawValue)
        slots[index].register = register.number
        slots[index].isInMemory = false
        slots[index].version &+= 1
        slots[index].bound = bound
        slots[index].origin = origin
        registerSlot[Int(register.number)] = Int16(index)
    }

    func define(_ slot: Slot, constant: UInt64) {
        forget(slot)
        let index = Int(slot.rawValue)
        slots[index].isConstant = true
        slots[index].constant = constant
        slots[index].isInMemory = false
        slots[index].version &+= 1
        slots[index].bound = constant
        slots[index].origin = .none
        if !slot.isTemporary { constantSlots.append(slot.rawValue) }
    }

    /// The slot file now holds `slot`.
    func defineInMemory(_ slot: Slot, bound: UInt64 = .max) {
        forget(slot)
        let index = Int(slot.rawValue)
        slots[index].isInMemory = true
        slots[index].version &+= 1
        slots[index].bound = bound
        slots[index].origin = .none
    }

    /// The name of what `slot` holds now.
    func name(_ slot: Slot) -> KnownValue {
        KnownValue(
            isConstant: false, bits: UInt64(slot.rawValue) << 32 | UInt64(slots[Int(slot.rawValue)].version))
    }

    // Writing back

    /// Calls `body` for every guest-visible slot that the slot file lacks.
    private func forEachWriteBack(_ body: (WriteBack) -> Void) {
        var used = Self.poolMask & ~free
        while used != 0 {
            let register = used.trailingZeroBitCount
            used &= used - 1
            let slot = registerSlot[register]
            guard slot >= 0, slot < 128, !slots[Int(slot)].isInMemory, !slots[Int(slot)].isConstant else { continue }
            body(WriteBack(slot: UInt16(slot), register: UInt8(register), constant: 0))
        }
        for slot in constantSlots where slots[Int(slot)].isConstant && !slots[Int(slot)].isInMemory {
            body(WriteBack(slot: slot, register: SlotState.noRegister, constant: slots[Int(slot)].constant))
        }
    }

    /// RCX may be changed; EFLAGS stay.
    func emit(_ writeBack: WriteBack) {
        let place = NativeFrame.slot(Int(writeBack.slot))
        if writeBack.register != SlotState.noRegister {
            code.store(place, HostRegister(writeBack.register))
        } else if CodeAssembler.fits32(writeBack.constant) {
            code.store(place, constant: writeBack.constant)
        } else {
            code.move(.rcx, constant: writeBack.constant)
            code.store(place, .rcx)
        }
    }

    /// Writes all changed guest-visible slots to the slot file, and stays as it was.
    func emitWriteBacks() { forEachWriteBack { emit($0) } }

    /// As `emitWriteBacks`, remembering that it was done.
    func writeBackGuest() {
        forEachWriteBack {
            emit($0)
            slots[Int($0.slot)].isInMemory = true
        }
        constantSlots.removeAll(keepingCapacity: true)
    }

    /// Makes the slot file hold an operand.
    func writeBack(_ slot: Slot) {
        let index = Int(slot.rawValue)
        guard !slots[index].isInMemory else { return }
        emit(
            WriteBack(
                slot: slot.rawValue, register: slots[index].isConstant ? SlotState.noRegister : slots[index].register,
                constant: slots[index].constant))
        slots[index].isInMemory = true
    }

    /// Writes everything to the slot file and forgets all registers: Swift code will read and write slots.
    func flushAll() {
        writeBackGuest()
        for register in Self.pool {
            let slot = registerSlot[Int(register.number)]
            guard slot != Self.noSlot else { continue }
            if slot >= 128, slot < Int16(Self.firstHidden) { writeBack(Slot(UInt16(slot))) }
            release(register)
        }
        for slot in 0..<128 where slot != Int(Slot.zero.rawValue) {
            slots[slot].isConstant = false
            slots[slot].version &+= 1
            slots[slot].bound = (17...23).contains(slot) ? 1 : .max
        }
        flags = .none
    }

    func addStub(_ kind: Stub.Kind, from: Int, writesBack: Bool = false) {
        let first = writeBacks.count
        let firstFlag = flagWriteBacks.count
        if writesBack {
            forEachWriteBack { writeBacks.append($0) }
            appendFlagWriteBacks()
        }
        stubs.append(
            Stub(
                kind: kind, from: from, back: code.position, firstWriteBack: first,
                writeBackCount: writeBacks.count - first, firstFlag: firstFlag,
                flagCount: flagWriteBacks.count - firstFlag, clearsPending: writesBack && pending == .stale))
    }
}
