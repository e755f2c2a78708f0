import X86

/// Puts the fused forms of operations into a block for the interpreter (`Operation.flagsOfSum` and those behind it).
///
/// Only the first of the operations that a form stands for is replaced, so indices stay what they are, and an engine that knows no fused
/// forms may read the block's own operations.
enum Fusion {
    static func fuse(_ operations: UnsafeMutableBufferPointer<MicroOp>) {
        // How often each temporary is read; a comparison is fused with the branch that alone reads it.
        var uses = Array(repeating: UInt8(0), count: Slot.count)
        for operation in operations where operation.operation != .helper {
            let used = operation.operandUse
            if used.a { note(operation.a, &uses) }
            if used.b { note(operation.b, &uses) }
            if operation.operation.immediateIsSlot { note(operation.third, &uses) }
        }
        var index = 0
        while index < operations.count {
            let rest = UnsafeBufferPointer(rebasing: operations[index...])
            if let (fused, count) = flags(rest) ?? branch(rest, uses) {
                operations[index] = fused
                index += count
            } else {
                index += 1
            }
        }
    }

    /// Puts `beginRepetition` at the start of the block of a repeated string instruction, if it begins with the test of RCX.
    static func markRepetition(_ operations: UnsafeMutableBufferPointer<MicroOp>) {
        guard operations.count > 2, operations[0].operation == .branchEqual, operations[0].a == .rcx else { return }
        operations[0].operation = .beginRepetition
    }

    private static func note(_ slot: Slot, _ uses: inout [UInt8]) {
        let index = Int(slot.rawValue)
        if index < uses.count, uses[index] < 2 { uses[index] += 1 }
    }

    private static let comparisons: [Operation: Operation] = [
        .equal: .branchEqual, .notEqual: .branchNotEqual, .lessUnsigned: .branchLessUnsigned,
        .lessOrEqualUnsigned: .branchLessOrEqualUnsigned, .lessSigned: .branchLessSigned,
        .lessOrEqualSigned: .branchLessOrEqualSigned,
    ]

    private static func branch(_ operations: UnsafeBufferPointer<MicroOp>, _ uses: [UInt8]) -> (MicroOp, Int)? {
        guard operations.count > 1, let form = comparisons[operations[0].operation] else { return nil }
        var first = operations[0]
        guard operations[1].operation == .branch, operations[1].a == first.destination, first.destination.isTemporary,
            uses[Int(first.destination.rawValue)] == 1
        else { return nil }
        first.operation = form
        return (first, 2)
    }

    private static func flags(_ operations: UnsafeBufferPointer<MicroOp>) -> (MicroOp, Int)? {
        sixFlags(operations, .overflowAdd, .flagsOfSum) ?? sixFlags(operations, .overflowSubtract, .flagsOfDifference)
            ?? resultFlags(operations, operations.count)
    }

    /// All six flags of a sum or difference: OF names both operands and the result, and the others must agree with it.
    private static func sixFlags(
        _ operations: UnsafeBufferPointer<MicroOp>, _ overflow: Operation, _ form: Operation
    ) -> (MicroOp, Int)? {
        guard operations.count >= 6, let whole = operations[..<6].first(where: { $0.operation == overflow }) else {
            return nil
        }
        let (width, a, b, result) = (whole.width, whole.a, whole.b, whole.third)
        guard a != .immediate, b != .immediate else { return nil }
        var found: Swift.Set<Slot> = []
        for operation in operations[..<6] {
            let isSame = operation.width == width
            let isOfResult = operation.a == result
            let fits: Bool
            switch (operation.destination, operation.operation) {
            case (.of, overflow): fits = operation == whole
            case (.af, .auxiliaryCarry): fits = operation.a == a && operation.b == b && operation.third == result
            case (.pf, .parity): fits = isOfResult
            case (.sf, .sign): fits = isSame && isOfResult
            case (.zf, .equal):
                fits =
                    isSame
                    && (form == .flagsOfSum
                        ? isOfResult && isZero(operation) : operation.a == a && operation.b == b)
            case (.cf, .lessUnsigned):
                fits =
                    isSame
                    && (form == .flagsOfSum ? isOfResult && operation.b == a : operation.a == a && operation.b == b)
            default: fits = false
            }
            guard fits else { return nil }
            found.insert(operation.destination)
        }
        guard found.count == 6 else { return nil }
        return (MicroOp(form, width: width, destination: result, a: a, b: b), 6)
    }

    /// The comparison is with 0.
    private static func isZero(_ operation: MicroOp) -> Bool {
        operation.b == .zero || (operation.b == .immediate && operation.immediate == 0)
    }

    private static func resultFlags(_ operations: UnsafeBufferPointer<MicroOp>, _ count: Int) -> (MicroOp, Int)? {
        guard count >= 3, let sign = operations[..<3].first(where: { $0.operation == .sign }) else { return nil }
        var found: Swift.Set<Slot> = []
        for operation in operations[..<3] {
            guard operation.a == sign.a else { return nil }
            switch (operation.destination, operation.operation) {
            case (.pf, .parity): break
            case (.zf, .equal):
                guard operation.width == sign.width, isZero(operation) else { return nil }
            case (.sf, .sign): break
            default: return nil
            }
            found.insert(operation.destination)
        }
        guard found.count == 3 else { return nil }
        return (MicroOp(.flagsOfResult, width: sign.width, destination: sign.a), 3)
    }
}
