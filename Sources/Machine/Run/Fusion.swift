import X86

/// The operations of a block as the interpreter executes them: with fused forms (`Operation.flagsOfSum` and those behind it) in place of
/// the several that each stands for.
struct Fusion {
    private(set) var operations: [MicroOp] = []
    /// Where each of them is in the block: the index of the first that it stands for.
    private(set) var origins: [UInt32] = []

    /// Neighbours that become one.
    struct Match {
        var operation: MicroOp
        /// How many it stands for.
        var count: Int
        /// How many stay: 2 when the form reads something of its second operation.
        var kept = 1
    }

    /// - Parameter isRepetition: the block has a `Block.repetition`.
    init(_ block: [MicroOp], isRepetition: Bool) {
        // How often each temporary is read; a comparison is fused with the branch that alone reads it.
        var uses = Array(repeating: UInt8(0), count: Slot.count)
        for operation in block { for slot in operation.sources { Self.note(slot, &uses) } }
        operations.reserveCapacity(block.count)
        origins.reserveCapacity(block.count)
        var index = 0
        while index < block.count {
            let match = block[index...].withUnsafeBufferPointer { Self.match($0, uses) }
            append(match?.operation ?? block[index], index)
            if let match, match.kept > 1 { append(block[index + 1], index + 1) }
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

    private static func match(_ rest: UnsafeBufferPointer<MicroOp>, _ uses: [UInt8]) -> Match? {
        arithmetic(rest) ?? flags(rest) ?? branch(rest, uses) ?? signs(rest, uses) ?? pair(rest)
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

    private static func branch(_ operations: UnsafeBufferPointer<MicroOp>, _ uses: [UInt8]) -> Match? {
        guard operations.count > 1, let form = comparisons[operations[0].operation] else { return nil }
        var first = operations[0]
        guard operations[1].operation == .branch, operations[1].a == first.destination, first.destination.isTemporary,
            uses[Int(first.destination.rawValue)] == 1
        else { return nil }
        first.operation = form
        return Match(operation: first, count: 2, kept: 2)
    }

    private static func flags(_ operations: UnsafeBufferPointer<MicroOp>) -> Match? {
        sixFlags(operations, .overflowAdd, .flagsOfSum) ?? sixFlags(operations, .overflowSubtract, .flagsOfDifference)
            ?? logicFlags(operations) ?? resultFlags(operations)
    }

    /// All six flags of a sum or difference: OF names both operands and the result, and the others must agree with it.
    private static func sixFlags(
        _ operations: UnsafeBufferPointer<MicroOp>, _ overflow: Operation, _ form: Operation
    ) -> Match? {
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
        return Match(operation: MicroOp(form, width: width, destination: result, a: a, b: b), count: 6)
    }

    /// The comparison is with 0.
    private static func isZero(_ operation: MicroOp) -> Bool {
        operation.b == .zero || (operation.b == .immediate && operation.immediate == 0)
    }

    /// A sum or difference right before its flags. For them a constant is put into a slot, which may be done between.
    private static func arithmetic(_ operations: UnsafeBufferPointer<MicroOp>) -> Match? {
        guard operations.count >= 7, var whole = operations.first, whole.destination != whole.a,
            whole.destination != whole.b
        else { return nil }
        let flagsForm: Operation
        switch whole.operation {
        case .add: (whole.operation, flagsForm) = (.sumWithFlags, .flagsOfSum)
        case .subtract: (whole.operation, flagsForm) = (.differenceWithFlags, .flagsOfDifference)
        default: return nil
        }
        // The flags name a constant 0 by its slot.
        if whole.b == .immediate, whole.immediate == 0 { whole.b = .zero }
        var (b, before) = (whole.b, 1)
        let next = operations[1]
        if flagsForm == .flagsOfDifference, b == .immediate, next.operation == .move, next.width == 64,
            next.a == .immediate, next.immediate == whole.immediate, next.destination.isTemporary,
            next.destination != whole.a, next.destination != whole.destination
        {
            whole.operation = .constantDifferenceWithFlags
            (b, before) = (next.destination, 2)
        }
        guard let found = flags(UnsafeBufferPointer(rebasing: operations[before...])),
            found.operation.operation == flagsForm, found.operation.width == whole.width,
            found.operation.destination == whole.destination, found.operation.a == whole.a, found.operation.b == b
        else { return nil }
        return Match(operation: whole, count: before + found.count, kept: before)
    }

    /// The flags of AND and its like: what is computed comes first, then what is cleared.
    private static func logicFlags(_ operations: UnsafeBufferPointer<MicroOp>) -> Match? {
        guard operations.count >= 6, var match = resultFlags(operations) else { return nil }
        var cleared: Swift.Set<Slot> = []
        for operation in operations[match.count..<6] {
            guard operation.operation == .move, operation.width <= 64,
                operation.a == .zero || (operation.a == .immediate && operation.immediate == 0)
            else { return nil }
            cleared.insert(operation.destination)
        }
        guard cleared == [.cf, .af, .of] else { return nil }
        match.operation.operation = .flagsOfLogic
        match.count = 6
        return match
    }

    private static func resultFlags(_ operations: UnsafeBufferPointer<MicroOp>) -> Match? {
        guard operations.count >= 3, let sign = operations[..<3].first(where: { $0.operation == .sign }) else {
            return nil
        }
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
        return Match(operation: MicroOp(.flagsOfResult, width: sign.width, destination: sign.a), count: 3)
    }
}
