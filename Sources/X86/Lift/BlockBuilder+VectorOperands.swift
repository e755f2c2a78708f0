import CZydis

// Operands of vector instructions
extension BlockBuilder {
    /// 64-bit words of a vector, the lowest first.
    typealias Words = [Value]

    func isVEX(_ i: DecodedInstruction) -> Bool { i.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX }

    /// Index of the first source of an instruction with two: the destination itself without VEX.
    func firstSource(_ i: DecodedInstruction) -> Int { isVEX(i) ? 1 : 0 }

    /// Slot of the XMM or YMM register of operand `index`.
    func vectorSlot(_ i: DecodedInstruction, _ index: Int) -> Slot? {
        guard index < i.operands.count, case .register(let register) = i.operands[index].value,
            register.kind == .xmm || register.kind == .ymm
        else { return nil }
        return .xmm(register.number)
    }

    func registerWords(_ slot: Slot, _ count: Int) -> Words {
        count == 4
            ? [.slot(slot), .slot(slot.high), .slot(slot.upper), .slot(slot.upper.high)]
            : [.slot(slot), .slot(slot.high)]
    }

    func byteImmediate(_ i: DecodedInstruction, _ index: Int) -> UInt64? {
        guard index < i.operands.count, case .immediate(let value) = i.operands[index].value else { return nil }
        return value & 0xFF
    }

    /// Reads a vector register or memory operand: four words when it has 256 bits, else two (memory of fewer bits zero-extended).
    ///
    /// A 16-byte memory operand of a legacy instruction must be aligned (Intel SDM volume 1, 10.8.3); `isAligned` overrules that.
    mutating func readWords(
        _ i: DecodedInstruction, _ index: Int, bits: Int? = nil, isAligned: Bool? = nil
    ) -> Words? {
        guard index < i.operands.count else { return nil }
        let width = bits ?? i.operands[index].width
        if let slot = vectorSlot(i, index) { return registerWords(slot, width == 256 ? 4 : 2) }
        guard case .memory(let memory) = i.operands[index].value else { return nil }
        let place = address(memory, i)
        if isAligned ?? (!isVEX(i) && width == 128) { requireAligned(place, width / 8) }
        return loadWords(width, place)
    }

    mutating func requireAligned(_ place: (slot: Slot, displacement: UInt64), _ byteCount: Int) {
        operations.append(
            MicroOp(.requireAligned, width: UInt8(byteCount), a: place.slot, immediate: place.displacement))
    }

    /// Loads 8 to 256 bits; the words of 128 and 256 bits are neighbouring temporaries.
    mutating func loadWords(_ width: Int, _ place: (slot: Slot, displacement: UInt64)) -> Words {
        guard width >= 128 else { return [load(width, place), .zero] }
        let slots = temporaries(width / 64)
        for half in 0..<width / 128 {
            operations.append(
                MicroOp(
                    .load, width: 128, destination: Slot(slots.rawValue + UInt16(half * 2)), a: place.slot,
                    immediate: place.displacement &+ UInt64(half * 16)))
        }
        return registerWords(slots, width / 64)
    }

    /// Stores 32 to 256 bits. The bytes of 256 bits are written by two operations, but the first one does not happen when a page of
    /// either faults: both ends are looked at before.
    mutating func storeWords(_ width: Int, _ place: (slot: Slot, displacement: UInt64), _ words: Words) {
        guard width >= 128 else {
            store(width, place, words[0])
            return
        }
        let source = contiguous(words)
        guard width == 256 else {
            store(128, place, .slot(source))
            return
        }
        _ = load(8, place, forStore: true)
        _ = load(8, (place.slot, place.displacement &+ 31), forStore: true)
        store(128, place, .slot(source))
        store(128, (place.slot, place.displacement &+ 16), .slot(source.upper))
    }

    /// `count` neighbouring temporaries.
    mutating func temporaries(_ count: Int) -> Slot {
        let slot = Slot(nextTemporary)
        nextTemporary += UInt16(count)
        return slot
    }

    /// The first slot of a register or of neighbouring temporaries that hold the words, for operations on whole vectors.
    mutating func contiguous(_ words: Words) -> Slot {
        if case .slot(let first) = words[0], registerWords(first, words.count) == words { return first }
        let slots = temporaries(words.count)
        for (word, target) in zip(words, registerWords(slots, words.count)) {
            guard case .slot(let slot) = target else { continue }
            let source = materialize(word)
            operations.append(MicroOp(.move, destination: slot, a: source))
        }
        return slots
    }

    /// Writes a vector register: with VEX, words beyond those given become zero.
    mutating func commitWords(_ i: DecodedInstruction, _ slot: Slot, _ words: Words) {
        let targets = [slot, slot.high, slot.upper, slot.upper.high]
        for (index, word) in words.enumerated() where word != .slot(targets[index]) { commit(targets[index], word) }
        if isVEX(i) {
            for target in targets[words.count...] { commit(target, .zero) }
        }
    }

    /// Clears bits 128-255 of a register whose lower bits were written by something else than `commitWords`.
    mutating func clearUpper(_ i: DecodedInstruction, _ slot: Slot) {
        guard isVEX(i) else { return }
        commit(slot.upper, .zero)
        commit(slot.upper.high, .zero)
    }

    /// Destination and two sources, word by word.
    mutating func dyadic(
        _ i: DecodedInstruction, _ body: (inout BlockBuilder, Value, Value) -> Value
    ) -> Outcome {
        dyadicLanes(i) { builder, a, b in [body(&builder, a[0], b[0]), body(&builder, a[1], b[1])] }
    }

    /// Destination and two sources, 128 bits by 128 bits.
    mutating func dyadicLanes(
        _ i: DecodedInstruction, _ body: (inout BlockBuilder, Words, Words) -> Words
    ) -> Outcome {
        let first = firstSource(i)
        guard let slot = vectorSlot(i, 0), let a = readWords(i, first), let b = readWords(i, first + 1),
            a.count == b.count
        else { return .unsupported }
        var result: Words = []
        for lane in stride(from: 0, to: a.count, by: 2) {
            result += body(&self, Array(a[lane..<lane + 2]), Array(b[lane..<lane + 2]))
        }
        commitWords(i, slot, result)
        return .lifted
    }

    /// Destination and one source, 128 bits by 128 bits.
    mutating func monadicLanes(_ i: DecodedInstruction, _ body: (inout BlockBuilder, Words) -> Words) -> Outcome {
        guard let slot = vectorSlot(i, 0), let a = readWords(i, 1) else { return .unsupported }
        var result: Words = []
        for lane in stride(from: 0, to: a.count, by: 2) { result += body(&self, Array(a[lane..<lane + 2])) }
        commitWords(i, slot, result)
        return .lifted
    }
}
