import X86

// Flags: whenever possible from the host's flags of the same operation
extension Translator {
    /// `slot` = the condition; EFLAGS stay.
    func set(_ slot: Slot, _ condition: HostCondition) {
        if (17...23).contains(slot.rawValue) {
            // The upper bytes of a flag's slot are always zero.
            code.set(condition, NativeFrame.slot(Int(slot.rawValue)))
            defineInMemory(slot, bound: 1)
            return
        }
        code.set(condition, .rax)
        let result = allocate()
        code.zeroExtend(result, .rax, 8)
        define(slot, result, bound: 1)
    }

    /// RAX, 0 or 1, to a slot; EFLAGS stay.
    private func setFromScratch(_ slot: Slot) {
        if (17...23).contains(slot.rawValue) {
            code.store(NativeFrame.slot(Int(slot.rawValue)), .rax, 8)
            defineInMemory(slot, bound: 1)
            return
        }
        let result = allocate()
        code.move(result, .rax)
        define(slot, result, bound: 1)
    }

    func emitFlag(_ op: MicroOp) {
        if op.operation != .parity || constant(op.a, op) == nil, postpone(op) { return }
        switch op.operation {
        case .parity:
            if let result = constant(op.a, op) {
                define(op.destination, constant: UInt64(~(result & 0xFF).nonzeroBitCount & 1))
                return
            }
            if flags.kind == .none || flags.result != known(op.a, op) { testResult(op.a, 8, op) }
            set(op.destination, .parity)
        case .overflowAdd, .overflowSubtract:
            if reestablish(op, op.operation == .overflowAdd ? .add : .subtract, op.width) {
                set(op.destination, .overflow)
            } else {
                emitFormula(op)
            }
        case .auxiliaryCarry:
            let origin = op.third == .zero ? .none : slots[Int(op.third.rawValue)].origin
            if features.hasBitScatter, origin.kind == .add || origin.kind == .subtract,
                reestablish(op, origin.kind, origin.width)
            {
                // AF is bit 12 of RAX behind LAHF; PEXT leaves EFLAGS alone.
                code.loadFlags()
                code.move(.rcx, constant: 1 << 12)
                code.scatter(.rax, .rax, mask: .rcx, isDeposit: false)
                setFromScratch(op.destination)
            } else {
                emitFormula(op)
            }
        default: emitFormula(op)
        }
    }

    /// Makes EFLAGS those of the addition or subtraction of operands a and b whose result the operation names, if it is one.
    private func reestablish(_ op: MicroOp, _ kind: Arithmetic.Kind, _ width: UInt8) -> Bool {
        let third = Int(op.third.rawValue)
        let result = known(op.third, op)
        guard !result.isConstant, third < Slot.count else { return false }
        let origin = slots[third].origin
        guard origin.kind == kind, origin.width == width, origin.a == known(op.a, op, width),
            origin.b == known(op.b, op, width)
        else { return false }
        if flags.hasFlags(of: origin) { return true }
        if kind == .subtract {
            guard constant(op.b, op) != 0 else { return false }
            establish(origin, op.a, op.b, op)
            return true
        }
        copy(.rax, op.a, op)
        if let constant = constant(op.b, op) {
            if width == 64, !CodeAssembler.fits32(constant) {
                code.move(.rdx, constant: constant)
                code.arithmetic(.add, .rax, .rdx, width)
            } else {
                code.arithmetic(.add, .rax, constant: constant, width)
            }
        } else {
            code.arithmetic(.add, .rax, register(op.b, op), width)
        }
        flags = origin
        return true
    }

    /// The flag from its definition on bits.
    private func emitFormula(_ op: MicroOp) {
        flags = .none
        switch op.operation {
        case .auxiliaryCarry:
            copy(.rax, op.a, op)
            copy(.rdx, op.b, op)
            copy(.rcx, op.third, op)
            code.arithmetic(.xor, .rax, .rdx, 32)
            code.arithmetic(.xor, .rax, .rcx, 32)
            code.shift(.right, .rax, by: 4, 32)
        case .carryAdd, .carrySubtract:
            // Majority of a (inverted for the borrow), b and the inverted (for the borrow: plain) result.
            copy(.rax, op.a, op)
            copy(.rdx, op.b, op)
            if op.operation == .carrySubtract { code.unary(.not, .rax) }
            code.move(.rcx, .rax)
            code.arithmetic(.or, .rcx, .rdx)
            code.arithmetic(.and, .rdx, .rax)
            copy(.rax, op.third, op)
            if op.operation == .carryAdd { code.unary(.not, .rax) }
            code.arithmetic(.and, .rax, .rcx)
            code.arithmetic(.or, .rax, .rdx)
            code.shift(.right, .rax, by: op.width - 1)
        default:
            copy(.rax, op.a, op)
            copy(.rdx, op.b, op)
            copy(.rcx, op.third, op)
            if op.operation == .overflowAdd {
                code.arithmetic(.xor, .rdx, .rcx)
            } else {
                code.arithmetic(.xor, .rdx, .rax)
            }
            code.arithmetic(.xor, .rax, .rcx)
            code.arithmetic(.and, .rax, .rdx)
            code.shift(.right, .rax, by: op.width - 1)
        }
        code.arithmetic(.and, .rax, constant: 1, 32)
        setFromScratch(op.destination)
    }
}
