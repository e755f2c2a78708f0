/// What the shape of an expression says of its values.
extension ExpressionArena {
    /// Bounds of the unsigned value, from the expression's shape alone. They may be wider than the truth, never narrower.
    package func unsignedBounds(_ term: Term, depth: Int = 12) -> (lower: UInt64, upper: UInt64) {
        let node = node(term)
        let all = (lower: UInt64(0), upper: lowMask(Int(node.width)))
        if depth == 0 { return all }
        func operand(_ handle: UInt32) -> (lower: UInt64, upper: UInt64) {
            unsignedBounds(Term(handle: handle), depth: depth - 1)
        }
        switch node.operation {
        case .constant: return (node.constantValue, node.constantValue)
        case .zeroExtend: return operand(node.a)
        case .concat:
            let shift = UInt64(self.node(node.b).width)
            let high = operand(node.a)
            let low = operand(node.b)
            return (high.lower << shift | low.lower, high.upper << shift | low.upper)
        case .add:
            let a = operand(node.a)
            let b = operand(node.b)
            let upper = a.upper.addingReportingOverflow(b.upper)
            if upper.overflow || upper.partialValue > all.upper {
                // Adding a constant that wraps for every value only shifts the bounds.
                let lower = a.lower.addingReportingOverflow(b.lower)
                let wraps = lower.overflow || lower.partialValue > all.upper
                guard wraps else { return all }
                return (lower.partialValue & all.upper, upper.partialValue & all.upper)
            }
            return (a.lower &+ b.lower, upper.partialValue)
        case .and:
            return (0, min(operand(node.a).upper, operand(node.b).upper))
        case .ifThenElse:
            let a = operand(node.b)
            let b = operand(node.c)
            return (min(a.lower, b.lower), max(a.upper, b.upper))
        case .table:
            let elements = tables[Int(node.b)].elements
            return (elements.min() ?? 0, elements.max() ?? all.upper)
        case .remainderUnsigned:
            let divisor = operand(node.b)
            return divisor.lower > 0 ? (0, divisor.upper - 1) : all
        default: return all
        }
    }

    /// How many low bits are the same for all values, from the shape alone: what an address is a multiple of, seen from any of
    /// its values. At most 64.
    package func fixedLowBits(_ term: Term, depth: Int = 12) -> Int {
        let node = node(term)
        if depth == 0 { return 0 }
        switch node.operation {
        case .constant: return 64
        case .concat:
            let low = Term(handle: node.b)
            let bits = fixedLowBits(low, depth: depth - 1)
            return bits >= width(low) ? width(low) : bits
        case .zeroExtend:
            let bits = fixedLowBits(Term(handle: node.a), depth: depth - 1)
            return bits >= width(Term(handle: node.a)) ? 64 : bits
        case .add, .subtract, .and, .or, .xor, .multiply:
            return min(
                fixedLowBits(Term(handle: node.a), depth: depth - 1),
                fixedLowBits(Term(handle: node.b), depth: depth - 1))
        default: return 0
        }
    }
}
