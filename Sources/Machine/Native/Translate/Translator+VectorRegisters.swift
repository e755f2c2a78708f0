import X86

// XMM2 to XMM15 remember vectors of the slot file in blocks with floating point. The slot file always has them, too: a register may be
// taken at any time
extension Translator {
    static let vectorRegisters: ClosedRange<UInt8> = 2...15

    /// What an XMM register holds: the word of a slot in its low half, or also the next slot's in its upper half.
    struct RememberedVector {
        var slot = -1
        var isPair = false
        var version: UInt32 = 0
        var highVersion: UInt32 = 0
    }

    func forgetVectors() {
        for register in 0..<16 { vectors[register] = RememberedVector() }
        nextVector = Self.vectorRegisters.lowerBound
        lockedVectors = 0
    }

    /// An XMM register for a new value; locked until the end of the operation.
    func allocateVector() -> UInt8 {
        while lockedVectors & 1 << UInt16(nextVector) != 0 { advanceVector() }
        let register = nextVector
        advanceVector()
        vectors[Int(register)] = RememberedVector()
        lockedVectors |= 1 << UInt16(register)
        return register
    }

    private func advanceVector() {
        nextVector = nextVector == Self.vectorRegisters.upperBound ? Self.vectorRegisters.lowerBound : nextVector + 1
    }

    private func remembered(_ slot: Slot, isPair: Bool) -> UInt8? {
        let index = Int(slot.rawValue)
        for register in Self.vectorRegisters {
            let entry = vectors[Int(register)]
            guard entry.slot == index, entry.version == slots[index].version else { continue }
            guard !isPair || (entry.isPair && entry.highVersion == slots[index + 1].version) else { continue }
            lockedVectors |= 1 << UInt16(register)
            return register
        }
        return nil
    }

    private func remember(_ register: UInt8, _ slot: Slot, isPair: Bool) {
        let index = Int(slot.rawValue)
        vectors[Int(register)] = RememberedVector(
            slot: index, isPair: isPair, version: slots[index].version,
            highVersion: isPair ? slots[index + 1].version : 0)
    }

    /// A register whose low half is the slot's word, not to be changed.
    func vectorWord(_ slot: Slot, _ op: MicroOp) -> UInt8 {
        if slot != .zero, slot != .immediate, let known = remembered(slot, isPair: false) { return known }
        let register = allocateVector()
        loadWord(register, slot, op)
        if slot != .zero, slot != .immediate { remember(register, slot, isPair: false) }
        return register
    }

    /// A register that holds the words of two neighbouring slots, not to be changed.
    func vectorPair(_ slot: Slot, _ op: MicroOp) -> UInt8 {
        if let known = remembered(slot, isPair: true) { return known }
        let register = allocateVector()
        let (low, high) = (Int(slot.rawValue), Int(slot.rawValue) + 1)
        if slots[low].isInMemory, slots[high].isInMemory {
            code.loadVector(register, place(low))
        } else {
            loadWord(register, slot, op)
            loadWord(1, slot.high, op)
            // PUNPCKLQDQ
            code.packed(0x0F6C, register, 1)
        }
        remember(register, slot, isPair: true)
        return register
    }

    /// Makes the low half of a register that of a slot; EFLAGS stay. RAX may change.
    private func loadWord(_ register: UInt8, _ slot: Slot, _ op: MicroOp) {
        if let constant = constant(slot, op) {
            if constant == 0 {
                // PXOR
                code.packed(0x0FEF, register, register)
            } else {
                code.move(.rax, constant: constant)
                code.moveToVector(register, .rax)
            }
            return
        }
        let index = Int(slot.rawValue)
        if slots[index].register != SlotState.noRegister {
            code.moveToVector(register, HostRegister(slots[index].register))
        } else {
            code.loadWord(register, place(index))
        }
    }

    /// The slot is the low half of a register from now on.
    func defineWord(_ slot: Slot, _ register: UInt8) {
        defineInMemory(slot)
        code.storeWord(place(Int(slot.rawValue)), register)
        remember(register, slot, isPair: false)
    }

    /// Two neighbouring slots are a register's halves from now on.
    func definePair(_ slot: Slot, _ register: UInt8) {
        defineInMemory(slot)
        defineInMemory(slot.high)
        code.storeVector(place(Int(slot.rawValue)), register)
        remember(register, slot, isPair: true)
    }
}
