import X86

// Branches on flags that were set right before
extension Fusion {
    /// What the slots hold between a difference and the branch on it.
    private struct Operands {
        /// The values that are compared, and the constant that is one of them.
        var left: Swift.Set<Slot>
        var right: Swift.Set<Slot> = []
        var constant: UInt64?
        var result: Swift.Set<Slot>

        func isLeft(_ slot: Slot) -> Bool { left.contains(slot) }

        func isRight(_ slot: Slot, _ immediate: UInt64) -> Bool {
            if slot == .immediate { return immediate == constant }
            return slot == .zero ? constant == 0 : right.contains(slot)
        }
    }

    /// A difference or AND with its flags, and the comparison of the same operands that ends the block.
    ///
    /// Between them may stand the move of the result to its register, and copies of what is compared.
    static func branchOnFlags(_ operations: UnsafeBufferPointer<MicroOp>, _ uses: [Int]) -> Match? {
        guard let flagged = flagged(operations), flagged.operation.operation != .sumWithFlags else { return nil }
        var whole = flagged.operation
        let isDifference = whole.operation == .differenceWithFlags
        let result = whole.destination
        var operands = Operands(left: [whole.a], result: [result])
        // What need not be computed if only the branch reads it, and how often it does.
        var reads: [Slot: Int] = [:]
        if result.isTemporary {
            reads[result] = flagged.resultReads
        } else {
            operands.left.remove(result)
        }
        if let constant = flagged.constant {
            operands.right = [constant.slot]
            reads[constant.slot] = constant.reads
            operands.constant = whole.immediate
        } else if whole.b == .zero {
            operands.constant = 0
        } else if whole.b != .immediate {
            operands.right = [whole.b]
        }
        var target: Slot?
        var index = flagged.count
        while index + 2 < operations.count {
            let next = operations[index]
            if operations[index + 1].operation == .branch {
                guard operations[index + 2].operation == .jump, operations[index + 1].a == next.destination,
                    isOnlyFor(next.destination, uses),
                    let condition = isDifference
                        ? condition(next, whole.width, operands) : condition(next, whole.width, operands.result)
                else { return nil }
                for slot in next.sources { reads[slot]? += 1 }
                guard reads.allSatisfy({ uses[Int($0.key.rawValue)] == $0.value }) else { return nil }
                whole.operation = isDifference ? .branchOnDifference : .branchOnAnd
                whole.destination = target ?? result
                return Match(operation: whole, count: index + 3, kept: index + 1..<index + 3, condition: condition)
            }
            guard next.operation == .move, next.destination != result else { return nil }
            if target == nil, isResult(next, flagged) {
                target = next.destination
                reads[result]? += 1
                operands.left.remove(next.destination)
                operands.right.remove(next.destination)
                operands.result.insert(next.destination)
            } else if next.destination.isTemporary, next.width == 64, operands.isLeft(next.a) {
                operands.left.insert(next.destination)
                reads[next.a]? += 1
                reads[next.destination] = 0
            } else if next.destination.isTemporary, next.width == 64, operands.isRight(next.a, next.immediate) {
                operands.right.insert(next.destination)
                reads[next.a]? += 1
                reads[next.destination] = 0
            } else {
                return nil
            }
            index += 1
        }
        return nil
    }

    /// The condition on the flags of a difference that a comparison of its operands is.
    private static func condition(_ comparison: MicroOp, _ width: UInt8, _ operands: Operands) -> Condition? {
        if let ofResult = condition(comparison, width, operands.result), ofResult.isSubset(of: [.zero, .sign, .not]) {
            return ofResult
        }
        guard comparison.width == width else { return nil }
        let isInOrder = operands.isLeft(comparison.a) && operands.isRight(comparison.b, comparison.immediate)
        guard isInOrder || operands.isRight(comparison.a, comparison.immediate) && operands.isLeft(comparison.b) else {
            return nil
        }
        switch comparison.operation {
        case .equal: return .zero
        case .notEqual: return [.zero, .not]
        case .lessUnsigned: return isInOrder ? .carry : [.carry, .zero, .not]
        case .lessOrEqualUnsigned: return isInOrder ? [.carry, .zero] : [.carry, .not]
        case .lessSigned: return isInOrder ? .less : [.less, .zero, .not]
        case .lessOrEqualSigned: return isInOrder ? [.less, .zero] : [.less, .not]
        default: return nil
        }
    }

    /// The condition on the flags of a result that its comparison with 0 is.
    private static func condition(_ comparison: MicroOp, _ width: UInt8, _ result: Swift.Set<Slot>) -> Condition? {
        guard comparison.width == width else { return nil }
        let isResult = result.contains(comparison.a)
        if comparison.operation == .sign { return isResult ? .sign : nil }
        let isFirst = isResult && isZero(comparison)
        let isSecond =
            result.contains(comparison.b)
            && (comparison.a == .zero || (comparison.a == .immediate && comparison.immediate == 0))
        guard isFirst || isSecond else { return nil }
        switch comparison.operation {
        case .equal: return .zero
        case .notEqual: return [.zero, .not]
        case .lessSigned: return isFirst ? .sign : [.sign, .zero, .not]
        case .lessOrEqualSigned: return isFirst ? [.sign, .zero] : [.sign, .not]
        default: return nil
        }
    }
}

extension MicroOp {
    /// The same with another operation.
    func with(_ operation: Operation) -> MicroOp {
        var changed = self
        changed.operation = operation
        return changed
    }
}
