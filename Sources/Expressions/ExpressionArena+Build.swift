/// Constructors. Each checks the shape, folds constants, applies the simplification rules and interns.
extension ExpressionArena {
    /// An operation with two operands of one width.
    package func make(_ operation: Operator, _ a: Term, _ b: Term) -> Term {
        let left = node(a)
        let right = node(b)
        precondition(left.width == right.width, "operands of different widths")
        guard simplifies else { return plain(operation, a, b) }
        if left.operation == .constant && right.operation == .constant {
            let width = Int(left.width)
            let value = operation.compute(left.constantValue, right.constantValue, width: width)
            return constant(value, width: operation.isComparison ? 1 : width)
        }
        guard enter() else { return plain(operation, a, b) }
        defer { leave() }
        // Constants go right, otherwise the older expression goes left.
        if operation.isCommutative
            && (left.operation == .constant || (right.operation != .constant && a.handle > b.handle))
        {
            return simplified(operation, b, a)
        }
        return simplified(operation, a, b)
    }

    private func simplified(_ operation: Operator, _ a: Term, _ b: Term) -> Term {
        let rule: Term? =
            switch operation {
            case .add: simplifyAdd(a, b)
            case .subtract: simplifySubtract(a, b)
            case .multiply: simplifyMultiply(a, b)
            case .multiplyHighUnsigned, .multiplyHighSigned: simplifyMultiplyHigh(operation, a, b)
            case .divideUnsigned, .remainderUnsigned, .divideSigned, .remainderSigned:
                simplifyDivide(operation, a, b)
            case .and: simplifyAnd(a, b)
            case .or: simplifyOr(a, b)
            case .xor: simplifyXor(a, b)
            case .shiftLeft, .shiftRightLogical, .shiftRightArithmetic: simplifyShift(operation, a, b)
            case .equal: simplifyEqual(a, b)
            case .lessUnsigned: simplifyLessUnsigned(a, b)
            case .lessSigned: simplifyLessSigned(a, b)
            case .subtractOverflow: simplifySubtractOverflow(a, b)
            case .constant, .symbol, .table, .not, .zeroExtend, .signExtend, .extract, .concat, .ifThenElse:
                preconditionFailure("not an operation with two operands of one width")
            }
        return rule ?? plain(operation, a, b)
    }

    /// Bitwise complement.
    package func not(_ a: Term) -> Term {
        let operand = node(a)
        if simplifies {
            if operand.operation == .constant { return constant(~operand.constantValue, width: Int(operand.width)) }
            if operand.operation == .not { return Term(handle: operand.a) }
        }
        return intern(
            Node(
                operation: .not, width: operand.width, a: a.handle, dependencies: operand.dependencies))
    }

    /// Two's complement negation: `0 - a`.
    package func negate(_ a: Term) -> Term { make(.subtract, constant(0, width: width(a)), a) }

    /// `a` with zeros in front, `width` bits in all; `a` itself when it has that width.
    package func zeroExtend(_ a: Term, to width: Int) -> Term {
        let operand = node(a)
        precondition(width >= operand.width && width <= 64, "an extension to fewer bits")
        if width == operand.width { return a }
        if simplifies {
            if operand.operation == .constant { return constant(operand.constantValue, width: width) }
            if operand.operation == .zeroExtend { return zeroExtend(Term(handle: operand.a), to: width) }
        }
        return intern(
            Node(
                operation: .zeroExtend, width: UInt8(width), a: a.handle, dependencies: operand.dependencies))
    }

    /// `a` with copies of its sign bit in front, `width` bits in all; `a` itself when it has that width.
    package func signExtend(_ a: Term, to width: Int) -> Term {
        let operand = node(a)
        precondition(width >= operand.width && width <= 64, "an extension to fewer bits")
        if width == operand.width { return a }
        if simplifies {
            switch operand.operation {
            case .constant:
                let value = signExtended(operand.constantValue, from: Int(operand.width))
                return constant(UInt64(bitPattern: value), width: width)
            case .signExtend: return signExtend(Term(handle: operand.a), to: width)
            case .zeroExtend: return zeroExtend(Term(handle: operand.a), to: width)
            default: break
            }
        }
        return intern(
            Node(
                operation: .signExtend, width: UInt8(width), a: a.handle, dependencies: operand.dependencies))
    }

    /// The `width` bits of `a` from bit `low` on.
    package func extract(_ a: Term, low: Int, width: Int) -> Term {
        let operand = node(a)
        precondition(low >= 0 && width >= 1 && low + width <= operand.width, "an extract outside its operand")
        if low == 0 && width == operand.width { return a }
        if simplifies && enter() {
            defer { leave() }
            if let result = simplifyExtract(a, low: low, width: width) { return result }
        }
        return plainExtract(a, low: low, width: width)
    }

    func plainExtract(_ a: Term, low: Int, width: Int) -> Term {
        intern(
            Node(
                operation: .extract, width: UInt8(width), low: UInt16(low), a: a.handle,
                dependencies: node(a).dependencies))
    }

    /// `high` above `low`; at most 64 bits together.
    package func concat(_ high: Term, _ low: Term) -> Term {
        precondition(node(high).width + node(low).width <= 64, "a concatenation of more than 64 bits")
        if simplifies && enter() {
            defer { leave() }
            if let result = simplifyConcat(high, low) { return result }
        }
        return plain(.concat, high, low)
    }

    /// `condition ? a : b`; the condition has 1 bit.
    package func ifThenElse(_ condition: Term, _ a: Term, _ b: Term) -> Term {
        precondition(node(condition).width == 1 && node(a).width == node(b).width, "a choice of the wrong shape")
        if simplifies && enter() {
            defer { leave() }
            if let result = simplifyIfThenElse(condition, a, b) { return result }
        }
        let set = sets.union(node(condition).dependencies, sets.union(node(a).dependencies, node(b).dependencies))
        return intern(
            Node(
                operation: .ifThenElse, width: node(a).width, a: condition.handle, b: a.handle, c: b.handle,
                dependencies: set))
    }

    /// The element of a constant table at `index`, which has the table's index width.
    package func load(_ table: ConstantTable, at index: Term) -> Term {
        let operand = node(index)
        precondition(Int(operand.width) == table.indexWidth, "an index that does not fit its table")
        if simplifies {
            if operand.operation == .constant {
                return constant(table.elements[Int(operand.constantValue)], width: table.elementWidth)
            }
            if table.elements.allSatisfy({ $0 == table.elements[0] }) {
                return constant(table.elements[0], width: table.elementWidth)
            }
        }
        return intern(
            Node(
                operation: .table, width: UInt8(table.elementWidth), a: index.handle, b: tableNumber(table),
                dependencies: operand.dependencies))
    }

    // MARK: Derived

    /// Whether two operands differ (1 bit).
    package func notEqual(_ a: Term, _ b: Term) -> Term { not(make(.equal, a, b)) }

    /// Whether `a <= b`, unsigned (1 bit).
    package func lessOrEqualUnsigned(_ a: Term, _ b: Term) -> Term { not(make(.lessUnsigned, b, a)) }

    /// Whether `a <= b`, signed (1 bit).
    package func lessOrEqualSigned(_ a: Term, _ b: Term) -> Term { not(make(.lessSigned, b, a)) }

    /// Whether the expression equals a constant (1 bit).
    package func equals(_ a: Term, _ value: UInt64) -> Term {
        make(.equal, a, constant(value, width: width(a)))
    }

    // MARK: Helpers of the rules

    /// Interns without any rule.
    func plain(_ operation: Operator, _ a: Term, _ b: Term) -> Term {
        let left = node(a)
        let right = node(b)
        let width: UInt8 = operation.isComparison ? 1 : operation == .concat ? left.width + right.width : left.width
        return intern(
            Node(
                operation: operation, width: width, a: a.handle, b: b.handle,
                dependencies: sets.union(left.dependencies, right.dependencies)))
    }

    /// Rules may build operands of operands; the depth of that is bounded so that no chain overflows the stack.
    private func enter() -> Bool {
        if ruleDepth >= 12 { return false }
        ruleDepth += 1
        return true
    }

    private func leave() { ruleDepth -= 1 }
}
