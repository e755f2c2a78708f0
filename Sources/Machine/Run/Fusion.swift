import X86

/// The operations of a block as the interpreter executes them: with fused forms (`Operation.flagsOfSum` and those behind it) in place of
/// the several that each stands for.
package struct Fusion {
    package private(set) var operations: [MicroOp] = []
    /// Where each of them is in the block: the index of the first that it stands for.
    package private(set) var origins: [UInt32] = []

    /// Neighbours that become one.
    struct Match {
        var operation: MicroOp
        /// How many it stands for, those that stay behind it included.
        var count: Int
        /// Which of them stay, because the form reads something of them.
        var kept = 0..<0
        /// The `Condition` of a form with a branch, for the first one that stays.
        var condition: Condition?
    }

    /// - Parameter isRepetition: the block has a `Block.repetition`.
    package init(_ block: [MicroOp], isRepetition: Bool) {
        // How often each slot is read: what only a form reads need not be computed.
        var uses = Array(repeating: 0, count: Slot.count)
        for operation in block {
            for slot in operation.sources where Int(slot.rawValue) < uses.count { uses[Int(slot.rawValue)] += 1 }
        }
        operations.reserveCapacity(block.count)
        origins.reserveCapacity(block.count)
        var index = 0
        while index < block.count {
            let match = block[index...].withUnsafeBufferPointer { Self.match($0, uses) }
            append(match?.operation ?? block[index], index)
            for offset in match?.kept ?? 0..<0 { append(block[index + offset], index + offset) }
            if let match, let condition = match.condition {
                operations[operations.count - match.kept.count].width = condition.rawValue
            }
            index += match?.count ?? 1
        }
        // A repeated string instruction begins with the test of RCX.
        if isRepetition, operations.count > 2, operations[0].operation == .branchEqual, operations[0].a == .rcx {
            operations[0].operation = .beginRepetition
        }
    }

    private mutating func append(_ operation: MicroOp, _ origin: Int) {
        operations.append(operation)
        origins.append(UInt32(truncatingIfNeeded: origin))
    }

    private static func match(_ rest: UnsafeBufferPointer<MicroOp>, _ uses: [Int]) -> Match? {
        switch rest[0].operation {
        case .load: return stackLoad(rest, uses)
        case .store: return push(rest)
        case .move: return pushConstant(rest, uses) ?? flags(rest)
        default:
            return branchOnFlags(rest, uses) ?? withFlags(rest, uses) ?? flags(rest) ?? branch(rest, uses) ?? signs(
                rest, uses)
                ?? pair(rest)
        }
    }

    private static let comparisons: [Operation: Operation] = [
        .equal: .branchEqual, .notEqual: .branchNotEqual, .lessUnsigned: .branchLessUnsigned,
        .lessOrEqualUnsigned: .branchLessOrEqualUnsigned, .lessSigned: .branchLessSigned,
        .lessOrEqualSigned: .branchLessOrEqualSigned,
    ]

    private static func branch(_ operations: UnsafeBufferPointer<MicroOp>, _ uses: [Int]) -> Match? {
        guard operations.count > 1, let form = comparisons[operations[0].operation] else { return nil }
        var first = operations[0]
        guard operations[1].operation == .branch, operations[1].a == first.destination, first.destination.isTemporary,
            uses[Int(first.destination.rawValue)] == 1
        else { return nil }
        first.operation = form
        return Match(operation: first, count: 2, kept: 1..<2)
    }
}
