import X86

// Comparisons and flags: whenever possible from the host's flags of the same operation
extension Translator {
    /// Makes EFLAGS those of a comparison.
    private func establish(_ wanted: Arithmetic, _ a: Slot, _ b: Slot, _ op: MicroOp) {
        if flags.hasFlags(of: wanted) { return }
        let width = wanted.width
        if let right = constant(b, op) {
            let left: HostRegister
            if constant(a, op) != nil {
                copy(.rax, a, op)
                left = .rax
            } else {
                left = register(a, op)
            }
            if right == 0 {
                code.test(left, left, width)
                flags = Arithmetic(kind: .logic, width: width, a: wanted.a, b: wanted.a, result: wanted.a)
                return
            }
            if width == 64, !CodeAssembler.fits32(right) {
                code.move(.rdx, constant: right)
                code.arithmetic(.compare, left, .rdx)
            } else {
                code.arithmetic(.compare, left, constant: right, width)
            }
        } else {
            let right = register(b, op)
            if constant(a, op) != nil {
                copy(.rax, a, op)
                code.arithmetic(.compare, .rax, right, width)
            } else {
                code.arithmetic(.compare, register(a, op), right, width)
            }
        }
        flags = wanted
    }

    /// The condition of the host that a comparison amounts to; EFLAGS are made fit.
    private func condition(_ op: MicroOp) -> HostCondition {
        let a = known(op.a, op, op.width)
        if op.operation == .sign {
            if flags.kind != .none, flags.width == op.width, flags.result == a { return .sign }
            testResult(op.a, op.width, op)
            return .sign
        }
        let b = known(op.b, op, op.width)
        let zero = KnownValue.zero
        if flags.kind != .none, flags.width == op.width {
            // Of a result: only ZF and SF, and CF of a sum.
            if let result = flags.result {
                switch op.operation {
                case .equal where result == a && b == zero: return .equal
                case .notEqual where result == a && b == zero: return .notEqual
                case .lessSigned where result == a && b == zero: return .sign
                case .lessOrEqualSigned where a == zero && result == b: return .noSign
                case .lessUnsigned where flags.kind == .add && result == a && (b == flags.a || b == flags.b):
                    return .below
                case .equal where isOverflowConstant(b, flags) && result == a: return .overflow
                default: break
                }
            }
            if flags.kind == .subtract, flags.a == b, flags.b == a {
                switch op.operation {
                case .equal: return .equal
                case .notEqual: return .notEqual
                case .lessUnsigned: return .above
                case .lessOrEqualUnsigned: return .aboveOrEqual
                case .lessSigned: return .greater
                default: return .greaterOrEqual
                }
            }
            if flags.kind == .logic, a == zero, flags.result == b {
                switch op.operation {
                case .lessSigned: return .greater
                case .lessUnsigned: return .notEqual
                default: break
                }
            }
        }
        if op.operation == .lessUnsigned, !a.isConstant {
            // CF of a sum that is to be computed again.
            let origin = slots[Int(op.a.rawValue)].origin
            if origin.kind == .add, origin.width == op.width, b == origin.a || b == origin.b,
                flags.hasFlags(of: origin)
            {
                return .below
            }
        }
        let isTested = flags.kind == .logic && flags.width == op.width && flags.result == a && b == zero
        if !isTested {
            establish(Arithmetic(kind: .subtract, width: op.width, a: a, b: b, result: nil), op.a, op.b, op)
        }
        switch op.operation {
        case .equal: return .equal
        case .notEqual: return .notEqual
        case .lessUnsigned: return .below
        case .lessOrEqualUnsigned: return .belowOrEqual
        case .lessSigned: return .less
        default: return .lessOrEqual
        }
    }

    /// OF of x + 1 and x - 1: the result is the smallest or largest number.
    func isOverflowConstant(_ value: KnownValue, _ arithmetic: Arithmetic) -> Bool {
        guard value.isConstant, arithmetic.b == .constant(1) else { return false }
        let smallest = UInt64(1) << UInt64(arithmetic.width - 1)
        switch arithmetic.kind {
        case .add: return value.bits == smallest
        case .subtract: return value.bits == smallest - 1
        default: return false
        }
    }

    private func testResult(_ slot: Slot, _ width: UInt8, _ op: MicroOp) {
        let value = known(slot, op)
        let result: HostRegister
        if value.isConstant {
            copy(.rax, slot, op)
            result = .rax
        } else {
            result = register(slot, op)
        }
        code.test(result, result, width)
        flags = Arithmetic(kind: .logic, width: width, a: value, b: value, result: value)
    }

    /// Comparisons of one bit.
    private func emitBitCondition(_ op: MicroOp) -> HostCondition {
        copy(.rax, op.a, op)
        copy(.rdx, op.b, op)
        code.arithmetic(.and, .rax, constant: 1, 32)
        code.arithmetic(.and, .rdx, constant: 1, 32)
        code.arithmetic(.compare, .rax, .rdx, 32)
        flags = .none
        switch op.operation {
        case .equal: return .equal
        case .notEqual: return .notEqual
        case .lessUnsigned: return .below
        case .lessOrEqualUnsigned: return .belowOrEqual
        // As signed numbers of one bit, 1 is less than 0.
        case .lessSigned: return .above
        case .lessOrEqualSigned: return .aboveOrEqual
        default: return .notEqual
        }
    }

    /// A comparison or sign, together with the branch or selection behind it that alone uses it.
    func emitCondition(_ op: MicroOp, _ position: Int) -> Int {
        if op.operation != .sign, let a = constant(op.a, op), let b = constant(op.b, op) {
            define(op.destination, constant: Self.compare(op.operation, a, b, op.width) ? 1 : 0)
            return 1
        }
        if op.operation == .sign, let a = constant(op.a, op) {
            define(op.destination, constant: a >> UInt64(op.width - 1) & 1)
            return 1
        }
        if postpone(op) { return 1 }
        let isSignOfBit = op.operation == .sign && op.width == 1
        let next = position + 1 < operations.count ? operations[position + 1] : op
        let isSingle = op.destination.isTemporary && slots[Int(op.destination.rawValue)].usesLeft == 1
        if isSingle, !isSignOfBit, next.operation == .branch, next.a == op.destination {
            consume(next)
            isLastBranch(position + 1) ? leaveFlags() : settleFlags()
            let condition = op.width == 1 ? emitBitCondition(op) : condition(op)
            addBranch(to: next.immediate, from: code.jump(condition))
            return 2
        }
        if isSingle, !isSignOfBit, next.operation == .select, next.third == op.destination, next.a != op.destination,
            next.b != op.destination
        {
            if position + 1 == killStart { pending = .stale }
            materializeSources(next)
            consume(next)
            // Operands first: constants of the selection need registers.
            let condition = op.width == 1 ? emitBitCondition(op) : condition(op)
            emitSelect(next, condition: condition)
            return 2
        }
        if isSignOfBit {
            emitMove(MicroOp(.move, width: 1, destination: op.destination, a: op.a))
            return 1
        }
        set(op.destination, op.width == 1 ? emitBitCondition(op) : condition(op))
        return 1
    }

    private static func compare(_ operation: Operation, _ a: UInt64, _ b: UInt64, _ width: UInt8) -> Bool {
        let shift = UInt64(64 - width)
        let (left, right) = (a << shift, b << shift)
        switch operation {
        case .equal: return left == right
        case .notEqual: return left != right
        case .lessUnsigned: return left < right
        case .lessOrEqualUnsigned: return left <= right
        case .lessSigned: return Int64(bitPattern: left) < Int64(bitPattern: right)
        default: return Int64(bitPattern: left) <= Int64(bitPattern: right)
        }
    }

    /// `slot` = the condition; EFLAGS stay.
    private func set(_ slot: Slot, _ condition: HostCondition) {
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
