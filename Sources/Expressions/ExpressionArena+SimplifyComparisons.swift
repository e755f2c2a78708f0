/// Rules for comparisons.
extension ExpressionArena {
    func simplifyEqual(_ a: Term, _ b: Term) -> Term? {
        if a == b { return truth(true) }
        if width(a) == 1 { return not(make(.xor, a, b)) }
        if let value = constantValue(b) { return simplifyEqual(a, to: value) }
        let left = node(a)
        let right = node(b)
        // x + y against x.
        for (sum, other) in [(left, b), (right, a)] where sum.operation == .add {
            for (same, rest) in [(sum.a, sum.b), (sum.b, sum.a)] where same == other.handle {
                return equals(Term(handle: rest), 0)
            }
        }
        if left.operation == right.operation {
            let x = Term(handle: left.a)
            let y = Term(handle: right.a)
            switch left.operation {
            case .not: return make(.equal, x, y)
            case .zeroExtend, .signExtend:
                if width(x) == width(y) { return make(.equal, x, y) }
                let common = max(width(x), width(y))
                if left.operation == .zeroExtend {
                    return make(.equal, zeroExtend(x, to: common), zeroExtend(y, to: common))
                }
                return make(.equal, signExtend(x, to: common), signExtend(y, to: common))
            case .concat where width(x) == width(y):
                return make(
                    .and, make(.equal, x, y),
                    make(.equal, Term(handle: left.b), Term(handle: right.b)))
            default: break
            }
        }
        return nil
    }

    private func simplifyEqual(_ a: Term, to value: UInt64) -> Term? {
        let left = node(a)
        let width = Int(left.width)
        let x = Term(handle: left.a)
        let y = Term(handle: left.b)
        switch left.operation {
        case .not: return equals(x, ~value)
        case .add:
            if let inner = constantValue(y) { return equals(x, value &- inner) }
        case .xor:
            if let inner = constantValue(y) { return equals(x, value ^ inner) }
            if value == 0 { return make(.equal, x, y) }
        case .subtract:
            if let inner = constantValue(x) { return equals(y, inner &- value) }
            if value == 0 { return make(.equal, x, y) }
        case .multiply:
            if let factor = constantValue(y), factor & 1 == 1 {
                return equals(x, value &* inverse(of: factor))
            }
        case .zeroExtend:
            return value > lowMask(self.width(x)) ? truth(false) : equals(x, value)
        case .signExtend:
            let inner = self.width(x)
            let low = value & lowMask(inner)
            let extended = UInt64(bitPattern: signExtended(low, from: inner)) & lowMask(width)
            return extended == value ? equals(x, low) : truth(false)
        case .concat:
            let low = self.width(y)
            return make(.and, equals(x, value >> UInt64(low)), equals(y, value & lowMask(low)))
        case .ifThenElse:
            let z = Term(handle: left.c)
            if let first = constantValue(y) {
                if first == value {
                    return make(.or, x, equals(z, value))
                }
                return make(.and, not(x), equals(z, value))
            }
            if let second = constantValue(z) {
                if second == value { return make(.or, not(x), equals(y, value)) }
                return make(.and, x, equals(y, value))
            }
        default: break
        }
        return nil
    }

    /// The inverse of an odd number modulo 2^64, by Newton's iteration (each step doubles the number of right bits).
    private func inverse(of odd: UInt64) -> UInt64 {
        var result = odd
        for _ in 0..<5 { result = result &* (2 &- odd &* result) }
        return result
    }

    func simplifyLessUnsigned(_ a: Term, _ b: Term) -> Term? {
        if a == b { return truth(false) }
        let left = node(a)
        let right = node(b)
        let width = Int(left.width)
        if width == 1 { return make(.and, not(a), b) }
        if right.operation == .constant {
            let value = right.constantValue
            if value == 0 { return truth(false) }
            if value == 1 { return equals(a, 0) }
            if value == lowMask(width) { return not(equals(a, value)) }
            if left.operation == .zeroExtend {
                let x = Term(handle: left.a)
                let inner = self.width(x)
                if value > lowMask(inner) { return truth(true) }
                return make(.lessUnsigned, x, constant(value, width: inner))
            }
        } else if left.operation == .constant {
            let value = left.constantValue
            if value == lowMask(width) { return truth(false) }
            if value == 0 { return not(equals(b, 0)) }
            if right.operation == .zeroExtend {
                let x = Term(handle: right.a)
                let inner = self.width(x)
                if value >= lowMask(inner) { return truth(false) }
                return make(.lessUnsigned, constant(value, width: inner), x)
            }
        } else if left.operation == .zeroExtend && right.operation == .zeroExtend {
            return comparedNarrow(.lessUnsigned, left, right)
        }
        return nil
    }

    /// Compares two zero extensions at the wider of the operands' widths, unsigned.
    private func comparedNarrow(_ operation: Operator, _ left: Node, _ right: Node) -> Term {
        let x = Term(handle: left.a)
        let y = Term(handle: right.a)
        let common = max(width(x), width(y))
        return make(operation, zeroExtend(x, to: common), zeroExtend(y, to: common))
    }

    func simplifyLessSigned(_ a: Term, _ b: Term) -> Term? {
        if a == b { return truth(false) }
        let left = node(a)
        let right = node(b)
        let width = Int(left.width)
        if width == 1 { return make(.and, a, not(b)) }
        let signBit = UInt64(1) << UInt64(width - 1)
        // Zero extensions are not negative.
        if left.operation == .zeroExtend {
            if right.operation == .zeroExtend { return comparedNarrow(.lessUnsigned, left, right) }
            if let value = constantValue(b) {
                return value & signBit != 0 ? truth(false) : make(.lessUnsigned, a, b)
            }
        }
        if right.operation == .zeroExtend, let value = constantValue(a) {
            return value & signBit != 0 ? truth(true) : make(.lessUnsigned, a, b)
        }
        if left.operation == .signExtend && right.operation == .signExtend {
            let x = Term(handle: left.a)
            let y = Term(handle: right.a)
            let common = max(self.width(x), self.width(y))
            return make(.lessSigned, signExtend(x, to: common), signExtend(y, to: common))
        }
        if let value = constantValue(b) {
            if value == 0 { return extract(a, low: width - 1, width: 1) }
            if value == signBit { return truth(false) }
            if left.operation == .signExtend {
                return narrowed(left, against: signExtended(value, from: width), operandFirst: true)
            }
        }
        if let value = constantValue(a) {
            if value == lowMask(width) { return not(extract(b, low: width - 1, width: 1)) }
            if value == signBit - 1 { return truth(false) }
            if right.operation == .signExtend {
                return narrowed(right, against: signExtended(value, from: width), operandFirst: false)
            }
        }
        return nil
    }

    /// A sign extension against a constant: at the operand's width, or decided by the operand's range.
    private func narrowed(_ extension_: Node, against value: Int64, operandFirst: Bool) -> Term {
        let x = Term(handle: extension_.a)
        let inner = width(x)
        let top = Int64(bitPattern: lowMask(inner) >> 1)
        if value > top { return truth(operandFirst) }
        if value < -top - 1 { return truth(!operandFirst) }
        let small = constant(UInt64(bitPattern: value), width: inner)
        return operandFirst ? make(.lessSigned, x, small) : make(.lessSigned, small, x)
    }

    func simplifySubtractOverflow(_ a: Term, _ b: Term) -> Term? {
        if a == b || constantValue(b) == 0 { return truth(false) }
        return nil
    }
}
