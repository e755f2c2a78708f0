// Reading and writing of operands
extension BlockBuilder {
    /// Virtual address of a memory operand as slot and displacement.
    mutating func address(_ memory: MemoryOperand, _ instruction: DecodedInstruction) -> (
        slot: Slot, displacement: UInt64
    ) {
        if context.mode != .long {
            let offset = effectiveAddress(memory, instruction)
            let place = linear(
                memory.segment, offset, byteCount: memory.byteCount, isWrite: memory.isWritten)
            return (materialize(place), 0)
        }
        if instruction.addressWidth != 64 {
            let effective = effectiveAddress(memory, instruction)
            guard let segment = memory.segmentBase else { return (materialize(effective), 0) }
            return (materialize(binary(.add, 64, effective, .slot(segment))), 0)
        }
        var base = memory.base
        if let index = memory.index { base = scaled(base, index, memory.scaleShift) }
        if let segment = memory.segmentBase {
            base = base.map { materialize(binary(.add, 64, .slot(segment), .slot($0))) } ?? segment
        }
        return (base ?? .zero, memory.displacement)
    }

    private mutating func scaled(_ base: Slot?, _ index: Slot, _ shift: UInt64) -> Slot {
        let result = temporary()
        operations.append(
            MicroOp(.scaledAdd, destination: result, a: base ?? .zero, b: index, immediate: shift))
        return result
    }

    /// The offset that LEA delivers, cut to the address width.
    mutating func effectiveAddress(_ memory: MemoryOperand, _ instruction: DecodedInstruction) -> Value {
        var base = memory.base
        if let index = memory.index { base = scaled(base, index, memory.scaleShift) }
        var value: Value
        if let base {
            value =
                memory.displacement == 0
                ? .slot(base) : binary(.add, 64, .slot(base), .constant(memory.displacement))
        } else {
            value = .constant(memory.displacement)
        }
        if instruction.addressWidth != 64 { value = zeroExtend(UInt8(instruction.addressWidth), value) }
        return value
    }

    mutating func load(_ width: Int, _ address: (slot: Slot, displacement: UInt64), forStore: Bool = false) -> Value {
        let result = width == 128 ? temporaryPair() : temporary()
        operations.append(
            MicroOp(
                forStore ? .loadForStore : .load, width: UInt8(width), destination: result, a: address.slot,
                immediate: address.displacement))
        return .slot(result)
    }

    mutating func store(_ width: Int, _ address: (slot: Slot, displacement: UInt64), _ value: Value) {
        let source = materialize(value)
        operations.append(
            MicroOp(.store, width: UInt8(width), a: address.slot, b: source, immediate: address.displacement))
    }

    /// An operand that can be written back: its value and where it goes.
    struct Place {
        enum Target {
            case memory(slot: Slot, displacement: UInt64)
            case register(Slot, isHighByte: Bool)
        }
        var target: Target
        var width: Int
        var value: Value
    }

    /// Reads operand `index` as an integer of its width; nil when it is no integer operand.
    mutating func read(_ instruction: DecodedInstruction, _ index: Int) -> Value? {
        guard index < instruction.operands.count else { return nil }
        let operand = instruction.operands[index]
        switch operand.value {
        case .immediate(let value): return .constant(value)
        case .register(let register):
            guard register.kind == .general else { return nil }
            return readRegister(register)
        case .memory(let memory): return load(operand.width, address(memory, instruction))
        case .pointer, .none: return nil
        }
    }

    mutating func readRegister(_ register: RegisterOperand) -> Value {
        let slot = Slot.general(register.number)
        return register.isHighByte ? unary(.extract, 8, .slot(slot), immediate: 8) : .slot(slot)
    }

    /// Opens operand `index` for writing, reading it first when `reads`.
    mutating func open(_ instruction: DecodedInstruction, _ index: Int, reads: Bool = true) -> Place? {
        guard index < instruction.operands.count else { return nil }
        let operand = instruction.operands[index]
        switch operand.value {
        case .register(let register):
            guard register.kind == .general else { return nil }
            return Place(
                target: .register(.general(register.number), isHighByte: register.isHighByte), width: operand.width,
                value: reads ? readRegister(register) : .zero)
        case .memory(let memory):
            let place = address(memory, instruction)
            let value = reads ? load(operand.width, place, forStore: true) : .zero
            return Place(
                target: .memory(slot: place.slot, displacement: place.displacement), width: operand.width,
                value: value)
        default: return nil
        }
    }

    /// Writes an opened operand: memory at once, registers as a commit.
    mutating func write(_ place: Place, _ value: Value) {
        switch place.target {
        case .memory(let slot, let displacement): store(place.width, (slot, displacement), value)
        case .register(let slot, let isHighByte): commitGeneral(slot, place.width, value, isHighByte: isHighByte)
        }
    }
}
