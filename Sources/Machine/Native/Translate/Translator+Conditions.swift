import X86

// Comparisons: whenever possible from the host's flags of the same operation
extension Translator {
    /// Makes EFLAGS those of a comparison.
    func establish(_ wanted: Arithmetic, _ a: Slot, _ b: Slot, _ op: MicroOp) {
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

    func testResult(_ slot: Slot, _ width: UInt8, _ op: MicroOp) {
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

}
