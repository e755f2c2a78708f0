/// Rules for arithmetic. In all rule functions a constant operand of a commutative operation is on the right, both operands
/// are not constant at once, and `nil` means that no rule applies.
extension ExpressionArena {
    func simplifyAdd(_ a: Term, _ b: Term) -> Term? {
        let left = node(a)
        let width = Int(left.width)
        if width == 1 { return make(.xor, a, b) }
        if let value = constantValue(b) {
            if value == 0 { return a }
            if left.operation == .add, let inner = constantValue(Term(handle: left.b)) {
                return make(.add, Term(handle: left.a), constant(inner &+ value, width: width))
            }
            if left.operation == .subtract, let inner = constantValue(Term(handle: left.a)) {
                return make(.subtract, constant(inner &+ value, width: width), Term(handle: left.b))
            }
            return nil
        }
        if a == b { return make(.shiftLeft, a, constant(1, width: width)) }
        if let result = addOfDifference(a, b) ?? addOfDifference(b, a) { return result }
        if let result = disjointParts(a, b) { return result }
        return nil
    }

    /// `x + (y - x)` is `y`, `x + (0 - y)` is `x - y`.
    private func addOfDifference(_ x: Term, _ difference: Term) -> Term? {
        let node = node(difference)
        guard node.operation == .subtract else { return nil }
        if node.b == x.handle { return Term(handle: node.a) }
        if constantValue(Term(handle: node.a)) == 0 { return make(.subtract, x, Term(handle: node.b)) }
        return nil
    }

    func simplifySubtract(_ a: Term, _ b: Term) -> Term? {
        let left = node(a)
        let right = node(b)
        let width = Int(left.width)
        if width == 1 { return make(.xor, a, b) }
        if a == b { return constant(0, width: width) }
        if let value = constantValue(b) {
            return make(.add, a, constant(0 &- value, width: width))
        }
        if right.operation == .subtract && constantValue(Term(handle: right.a)) == 0 {
            return make(.add, a, Term(handle: right.b))
        }
        if left.operation == .add {
            if left.a == b.handle { return Term(handle: left.b) }
            if left.b == b.handle { return Term(handle: left.a) }
        }
        if right.operation == .add {
            // x - (x + y) is 0 - y.
            if right.a == a.handle { return negate(Term(handle: right.b)) }
            if right.b == a.handle { return negate(Term(handle: right.a)) }
        }
        return nil
    }

    func simplifyMultiply(_ a: Term, _ b: Term) -> Term? {
        let left = node(a)
        let width = Int(left.width)
        if width == 1 { return make(.and, a, b) }
        guard let value = constantValue(b) else { return nil }
        if value == 0 { return b }
        if value == 1 { return a }
        if value == lowMask(width) { return negate(a) }
        if value & (value - 1) == 0 {
            return make(.shiftLeft, a, constant(UInt64(value.trailingZeroBitCount), width: width))
        }
        if left.operation == .multiply, let inner = constantValue(Term(handle: left.b)) {
            return make(.multiply, Term(handle: left.a), constant(inner &* value, width: width))
        }
        return nil
    }

    func simplifyMultiplyHigh(_ operation: Operator, _ a: Term, _ b: Term) -> Term? {
        let width = width(a)
        guard let value = constantValue(b) else { return nil }
        if value == 0 { return b }
        // At width 1 the signed value of the constant 1 is -1.
        guard width > 1, value & (value - 1) == 0 else { return nil }
        let shift = value.trailingZeroBitCount
        if operation == .multiplyHighUnsigned {
            if shift == 0 { return constant(0, width: width) }
            return make(.shiftRightLogical, a, constant(UInt64(width - shift), width: width))
        }
        // The top bit alone is negative as a signed constant.
        guard shift < width - 1 else { return nil }
        if shift == 0 { return signExtend(extract(a, low: width - 1, width: 1), to: width) }
        return make(.shiftRightArithmetic, a, constant(UInt64(width - shift), width: width))
    }

    func simplifyDivide(_ operation: Operator, _ a: Term, _ b: Term) -> Term? {
        let width = width(a)
        guard width > 1, let value = constantValue(b), value != 0 else { return nil }
        switch operation {
        case .divideUnsigned where value & (value - 1) == 0:
            return make(.shiftRightLogical, a, constant(UInt64(value.trailingZeroBitCount), width: width))
        case .remainderUnsigned where value & (value - 1) == 0:
            return make(.and, a, constant(value - 1, width: width))
        case .divideSigned where value == 1: return a
        case .remainderSigned where value == 1: return constant(0, width: width)
        default: return nil
        }
    }

    /// Shifts by constants are wiring: extracts, extensions and concatenations, which other rules see through.
    func simplifyShift(_ operation: Operator, _ a: Term, _ b: Term) -> Term? {
        let width = width(a)
        if let value = constantValue(a), value == 0 { return a }
        guard let count = constantValue(b) else { return nil }
        if count == 0 { return a }
        if count >= UInt64(width) {
            if operation != .shiftRightArithmetic { return constant(0, width: width) }
            return signExtend(extract(a, low: width - 1, width: 1), to: width)
        }
        let shift = Int(count)
        switch operation {
        case .shiftLeft: return concat(extract(a, low: 0, width: width - shift), constant(0, width: shift))
        case .shiftRightLogical: return zeroExtend(extract(a, low: shift, width: width - shift), to: width)
        default: return signExtend(extract(a, low: shift, width: width - shift), to: width)
        }
    }
}
