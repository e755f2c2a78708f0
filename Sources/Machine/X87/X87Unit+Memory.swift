import X86

// D8-DF with a memory operand (Intel SDM volume 2, tables ); environments are in Machine+X87
extension X87Unit {
    /// A memory operand: up to ten bytes.
    struct Word {
        var low: UInt64
        var high: UInt16 = 0
    }

    /// Bytes that a memory form reads, 0 when it only stores. The environment forms (D9 /4 /6, DD /4 /6) are not asked.
    static func bytesRead(_ opcode: Int, _ group: Int) -> Int {
        switch opcode {
        case 0xD8, 0xDA: 4
        case 0xDC: 8
        case 0xDE: 2
        case 0xD9: group == 0 ? 4 : group == 5 ? 2 : 0
        case 0xDB: group == 0 ? 4 : group == 5 ? 10 : 0
        case 0xDD: group == 0 ? 8 : 0
        default: group == 0 ? 2 : group == 4 ? 10 : group == 5 ? 8 : 0
        }
    }

    /// What is to be stored in memory.
    struct Result {
        var word: Word
        var byteCount: Int
    }

    enum MemoryEffect {
        case none
        case store(Result)
        case undefined
    }

    /// Executes the form `opcode` /`group` with the memory operand `word` (for the forms that read).
    mutating func executeMemory(_ opcode: Int, _ group: Int, _ word: Word) -> MemoryEffect {
        switch opcode {
        case 0xD8, 0xDA, 0xDC, 0xDE:
            let number: (inout X87Environment) -> ExtendedFloat =
                switch opcode {
                case 0xD8: { $0.operand(word.low, format: .single) }
                case 0xDC: { $0.operand(word.low, format: .double) }
                case 0xDA: { _ in ExtendedFloat(integer: Int64(Int32(truncatingIfNeeded: word.low))) }
                default: { _ in ExtendedFloat(integer: Int64(Int16(truncatingIfNeeded: word.low))) }
                }
            if group == 2 || group == 3 {
                compare(pops: group - 2, with: number)
            } else {
                arithmetic(group, with: number)
            }
        case 0xD9: return executeD9(group, word)
        case 0xDB: return executeDB(group, word)
        case 0xDD: return executeDD(group, word)
        default: return executeDF(group, word)
        }
        return .none
    }

    private mutating func executeD9(_ group: Int, _ word: Word) -> MemoryEffect {
        switch group {
        case 0: push { $0.load(word.low, format: .single) }
        case 2, 3: return storeFloat(.single, pops: group == 3)
        case 5:
            control = UInt16(truncatingIfNeeded: word.low) & 0x1F7F | 0x40
            updateSummary()
        case 7: return .store(Result(word: Word(low: UInt64(control)), byteCount: 2))
        default: return .undefined
        }
        return .none
    }

    private mutating func executeDB(_ group: Int, _ word: Word) -> MemoryEffect {
        switch group {
        case 0: push { _ in ExtendedFloat(integer: Int64(Int32(truncatingIfNeeded: word.low))) }
        case 1: return storeInteger(32, pops: true, truncates: true)
        case 2, 3: return storeInteger(32, pops: group == 3, truncates: false)
        case 5: push { _ in ExtendedFloat(significand: word.low, signAndExponent: word.high) }
        case 7:
            let value = operand(0) ?? .indefinite
            environment.roundedUp = false
            let stops = environment.stopsOperation
            if !stops { pop() }
            finish()
            if stops { return .none }
            return .store(
                Result(word: Word(low: value.significand, high: value.signAndExponent), byteCount: 10))
        default: return .undefined
        }
        return .none
    }

    private mutating func executeDD(_ group: Int, _ word: Word) -> MemoryEffect {
        switch group {
        case 0: push { $0.load(word.low, format: .double) }
        case 1: return storeInteger(64, pops: true, truncates: true)
        case 2, 3: return storeFloat(.double, pops: group == 3)
        case 7: return .store(Result(word: Word(low: UInt64(status)), byteCount: 2))
        default: return .undefined
        }
        return .none
    }

    private mutating func executeDF(_ group: Int, _ word: Word) -> MemoryEffect {
        switch group {
        case 0: push { _ in ExtendedFloat(integer: Int64(Int16(truncatingIfNeeded: word.low))) }
        case 1: return storeInteger(16, pops: true, truncates: true)
        case 2, 3: return storeInteger(16, pops: group == 3, truncates: false)
        case 4: push { _ in X87Environment.load(decimal: word.low, word.high) }
        case 5: push { _ in ExtendedFloat(integer: Int64(bitPattern: word.low)) }
        case 6:
            var decimal: (low: UInt64, high: UInt16) = (0xC000_0000_0000_0000, 0xFFFF)
            if let value = operand(0) { decimal = environment.packedDecimal(value) }
            return storeResult(Word(low: decimal.low, high: decimal.high), byteCount: 10, pops: true)
        default: return storeInteger(64, pops: true, truncates: false)
        }
        return .none
    }

    private mutating func storeInteger(_ bits: Int, pops: Bool, truncates: Bool) -> MemoryEffect {
        var value = UInt64(1) << UInt64(bits - 1)
        if let number = operand(0) {
            value = environment.integer(number, bits: bits, truncates: truncates)
            // FISTTP clears C1.
            if truncates { environment.roundedUp = false }
        }
        return storeResult(Word(low: value), byteCount: bits / 8, pops: pops)
    }

    private mutating func storeFloat(_ format: X87Format, pops: Bool) -> MemoryEffect {
        let value = operand(0) ?? .indefinite
        let bits = environment.store(value, format: format)
        return storeResult(Word(low: bits), byteCount: format.bits == 24 ? 4 : 8, pops: pops)
    }

    /// Stores unless an exception other than #P is unmasked.
    private mutating func storeResult(_ word: Word, byteCount: Int, pops: Bool) -> MemoryEffect {
        let stops = environment.raised & ~control & (X87Status.exceptions & ~X87Status.precision) != 0
        if stops {
            environment.raised &= ~X87Status.precision
            environment.roundedUp = false
        }
        if pops, !stops { pop() }
        finish()
        return stops ? .none : .store(Result(word: word, byteCount: byteCount))
    }
}
