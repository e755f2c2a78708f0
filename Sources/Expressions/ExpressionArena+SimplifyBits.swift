/// Rules for bitwise operations, extracts, concatenations and choices.
extension ExpressionArena {
    func simplifyAnd(_ a: Term, _ b: Term) -> Term? {
        let left = node(a)
        let width = Int(left.width)
        if a == b { return a }
        if let value = constantValue(b) {
            if value == 0 { return b }
            if value == lowMask(width) { return a }
            if left.operation == .and, let inner = constantValue(Term(handle: left.b)) {
                return make(.and, Term(handle: left.a), constant(inner & value, width: width))
            }
            if let result = splitByConstant(.and, a, value) { return result }
            return maskToRun(a, value)
        }
        if areComplements(a, b) { return constant(0, width: width) }
        if width == 1 { return simplifyConjunction(a, b) ?? simplifyConjunction(b, a) }
        return splitAlike(.and, a, b)
    }

    /// `and` with one run of ones is wiring.
    private func maskToRun(_ a: Term, _ mask: UInt64) -> Term? {
        let low = mask.trailingZeroBitCount
        let run = mask >> UInt64(low)
        guard run & (run &+ 1) == 0 else { return nil }
        let part = extract(a, low: low, width: (~run).trailingZeroBitCount)
        let placed = low == 0 ? part : concat(part, constant(0, width: low))
        return zeroExtend(placed, to: width(a))
    }

    /// 1-bit rules: `p and (p and q)`, and "not less and not equal" is "greater".
    private func simplifyConjunction(_ a: Term, _ b: Term) -> Term? {
        let left = node(a)
        let right = node(b)
        if right.operation == .and && (right.a == a.handle || right.b == a.handle) { return b }
        guard left.operation == .not, right.operation == .not else { return nil }
        let less = node(left.a)
        guard less.operation == .lessUnsigned || less.operation == .lessSigned else { return nil }
        let x = Term(handle: less.a)
        let y = Term(handle: less.b)
        guard make(.equal, x, y).handle == right.a else { return nil }
        return make(less.operation, y, x)
    }

    func simplifyOr(_ a: Term, _ b: Term) -> Term? {
        let left = node(a)
        let width = Int(left.width)
        if a == b { return a }
        // Truth values know "and" and "not" only, so that each condition has one form.
        if width == 1 { return not(make(.and, not(a), not(b))) }
        if let value = constantValue(b) {
            if value == 0 { return a }
            if value == lowMask(width) { return b }
            if left.operation == .or, let inner = constantValue(Term(handle: left.b)) {
                return make(.or, Term(handle: left.a), constant(inner | value, width: width))
            }
            return splitByConstant(.or, a, value)
        }
        if areComplements(a, b) { return constant(~0, width: width) }
        return splitAlike(.or, a, b)
    }

    func simplifyXor(_ a: Term, _ b: Term) -> Term? {
        let left = node(a)
        let right = node(b)
        let width = Int(left.width)
        if a == b { return constant(0, width: width) }
        if let value = constantValue(b) {
            if value == 0 { return a }
            if value == lowMask(width) { return not(a) }
            if left.operation == .xor, let inner = constantValue(Term(handle: left.b)) {
                return make(.xor, Term(handle: left.a), constant(inner ^ value, width: width))
            }
            if left.operation == .not {
                return make(.xor, Term(handle: left.a), constant(~value, width: width))
            }
            return splitByConstant(.xor, a, value)
        }
        if left.operation == .not && right.operation == .not {
            return make(.xor, Term(handle: left.a), Term(handle: right.a))
        }
        if left.operation == .not { return not(make(.xor, Term(handle: left.a), b)) }
        if right.operation == .not { return not(make(.xor, a, Term(handle: right.a))) }
        if width == 1, let less = signAgainstOverflow(a, b) ?? signAgainstOverflow(b, a) { return less }
        return splitAlike(.xor, a, b)
    }

    /// The sign of `x - y` against its overflow is `x < y`, signed.
    private func signAgainstOverflow(_ sign: Term, _ overflow: Term) -> Term? {
        let node = node(overflow)
        guard node.operation == .subtractOverflow else { return nil }
        let x = Term(handle: node.a)
        let y = Term(handle: node.b)
        let difference = make(.subtract, x, y)
        guard extract(difference, low: width(x) - 1, width: 1) == sign else { return nil }
        return make(.lessSigned, x, y)
    }

    /// Whether one operand is the complement of the other.
    private func areComplements(_ a: Term, _ b: Term) -> Bool {
        let left = node(a)
        let right = node(b)
        return (left.operation == .not && left.a == b.handle) || (right.operation == .not && right.a == a.handle)
    }

    // MARK: Splitting at a concatenation

    /// The bits where `a` is visibly put together: the width of its low part.
    private func splitPoint(_ a: Term) -> Int? {
        let node = node(a)
        switch node.operation {
        case .concat: return width(Term(handle: node.b))
        case .zeroExtend: return width(Term(handle: node.a))
        default: return nil
        }
    }

    /// A bitwise operation with a constant, done part by part.
    private func splitByConstant(_ operation: Operator, _ a: Term, _ value: UInt64) -> Term? {
        guard let low = splitPoint(a) else { return nil }
        return joined(operation, a, constant(value, width: width(a)), at: low)
    }

    /// A bitwise operation of two operands that are put together at the same bit, or that leave each other's bits zero.
    private func splitAlike(_ operation: Operator, _ a: Term, _ b: Term) -> Term? {
        guard let first = splitPoint(a), let second = splitPoint(b) else { return nil }
        if first == second { return joined(operation, a, b, at: first) }
        // A zero extension may be cut anywhere above its operand.
        if node(a).operation == .zeroExtend && first < second { return joined(operation, a, b, at: second) }
        if node(b).operation == .zeroExtend && second < first { return joined(operation, a, b, at: first) }
        return nil
    }

    private func joined(_ operation: Operator, _ a: Term, _ b: Term, at low: Int) -> Term {
        let width = width(a)
        let high = make(
            operation, extract(a, low: low, width: width - low), extract(b, low: low, width: width - low))
        return concat(high, make(operation, extract(a, low: 0, width: low), extract(b, low: 0, width: low)))
    }

    /// A sum whose operands have no common bit that may be one: the operands side by side.
    func disjointParts(_ a: Term, _ b: Term) -> Term? {
        for (upper, lower) in [(node(a), node(b)), (node(b), node(a))] {
            guard upper.operation == .concat, lower.operation == .zeroExtend else { continue }
            let gap = Term(handle: upper.b)
            let value = Term(handle: lower.a)
            guard constantValue(gap) == 0, width(value) <= width(gap) else { continue }
            return concat(Term(handle: upper.a), zeroExtend(value, to: width(gap)))
        }
        return nil
    }

    // MARK: Wiring

    func simplifyExtract(_ a: Term, low: Int, width: Int) -> Term? {
        let operand = node(a)
        let inner = Term(handle: operand.a)
        switch operand.operation {
        case .constant: return constant(operand.constantValue >> UInt64(low), width: width)
        case .extract: return extract(inner, low: low + Int(operand.low), width: width)
        case .not: return not(extract(inner, low: low, width: width))
        case .concat:
            let lowPart = Term(handle: operand.b)
            let split = self.width(lowPart)
            if low + width <= split { return extract(lowPart, low: low, width: width) }
            if low >= split { return extract(inner, low: low - split, width: width) }
            return concat(
                extract(inner, low: 0, width: low + width - split), extract(lowPart, low: low, width: split - low))
        case .zeroExtend, .signExtend:
            let innerWidth = self.width(inner)
            if low + width <= innerWidth { return extract(inner, low: low, width: width) }
            if low < innerWidth {
                let part = extract(inner, low: low, width: innerWidth - low)
                return operand.operation == .zeroExtend
                    ? zeroExtend(part, to: width) : signExtend(part, to: width)
            }
            if operand.operation == .zeroExtend { return constant(0, width: width) }
            return signExtend(extract(inner, low: innerWidth - 1, width: 1), to: width)
        case .and, .or, .xor:
            // Only where the constant's part leaves nothing of the operation; else a stored value could not be put
            // together again when it is loaded.
            guard let mask = constantValue(Term(handle: operand.b)) else { return nil }
            let part = mask >> UInt64(low) & lowMask(width)
            guard part == 0 || part == lowMask(width) else { return nil }
            return make(operand.operation, extract(inner, low: low, width: width), constant(part, width: width))
        default: return nil
        }
    }

    func simplifyConcat(_ high: Term, _ low: Term) -> Term? {
        let upper = node(high)
        let lower = node(low)
        let width = Int(upper.width) + Int(lower.width)
        switch upper.operation {
        case .constant:
            if upper.constantValue == 0 { return zeroExtend(low, to: width) }
            if lower.operation == .constant {
                return constant(upper.constantValue << UInt64(lower.width) | lower.constantValue, width: width)
            }
            if lower.operation == .zeroExtend {
                // Zeros of the extension join the constant.
                let inner = Term(handle: lower.a)
                let zeros = Int(lower.width) - self.width(inner)
                return concat(
                    constant(upper.constantValue << UInt64(zeros), width: Int(upper.width) + zeros), inner)
            }
        case .concat:
            // Right-nested.
            return concat(Term(handle: upper.a), concat(Term(handle: upper.b), low))
        case .zeroExtend: return zeroExtend(concat(Term(handle: upper.a), low), to: width)
        default: break
        }
        if let merged = adjacent(high, low) { return merged }
        if lower.operation == .concat {
            let next = Term(handle: lower.a)
            if upper.operation == .constant, node(next).operation == .constant {
                return concat(concat(high, next), Term(handle: lower.b))
            }
            if let merged = adjacent(high, next) { return concat(merged, Term(handle: lower.b)) }
        }
        return nil
    }

    /// Neighbouring extracts of one expression (or the copies of its sign above it), as one.
    private func adjacent(_ high: Term, _ low: Term) -> Term? {
        let upper = node(high)
        let lower = node(low)
        guard upper.operation == .extract else { return nil }
        // The low part may be a whole expression only when that is an extract itself.
        guard lower.operation == .extract, upper.a == lower.a,
            Int(upper.low) == Int(lower.low) + Int(lower.width)
        else { return nil }
        return extract(
            Term(handle: upper.a), low: Int(lower.low), width: Int(upper.width) + Int(lower.width))
    }

    // MARK: Choices

    func simplifyIfThenElse(_ condition: Term, _ a: Term, _ b: Term) -> Term? {
        let test = node(condition)
        if test.operation == .constant { return test.constantValue == 1 ? a : b }
        if a == b { return a }
        if test.operation == .not { return ifThenElse(Term(handle: test.a), b, a) }
        if width(a) == 1 {
            if let value = constantValue(a) {
                return value == 1 ? make(.or, condition, b) : make(.and, not(condition), b)
            }
            if let value = constantValue(b) {
                return value == 0 ? make(.and, condition, a) : make(.or, not(condition), a)
            }
        }
        let first = node(a)
        if first.operation == .ifThenElse && first.a == condition.handle {
            return ifThenElse(condition, Term(handle: first.b), b)
        }
        let second = node(b)
        if second.operation == .ifThenElse && second.a == condition.handle {
            return ifThenElse(condition, a, Term(handle: second.c))
        }
        return nil
    }
}
