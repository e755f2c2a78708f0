import X86

// Operations with their flags
extension Fusion {
    static func flags(_ operations: UnsafeBufferPointer<MicroOp>) -> Match? {
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
    static func isZero(_ operation: MicroOp) -> Bool {
        operation.b == .zero || (operation.b == .immediate && operation.immediate == 0)
    }

    /// An operation right before its flags.
    struct Flagged {
        /// The form; what is constant is its immediate operand.
        var operation: MicroOp
        /// How many operations it stands for.
        var count: Int
        /// How often the flags read the result.
        var resultReads: Int
        /// The slot that a constant was put into for them, and how often they read it.
        var constant: (slot: Slot, reads: Int)?
    }

    /// An operation with its flags, and with the move of the result to its register.
    static func withFlags(_ operations: UnsafeBufferPointer<MicroOp>, _ uses: [Int]) -> Match? {
        guard let flagged = flagged(operations) else { return nil }
        var match = Match(operation: flagged.operation, count: flagged.count)
        if let constant = flagged.constant, uses[Int(constant.slot.rawValue)] != constant.reads {
            guard match.operation.operation == .differenceWithFlags else { return nil }
            match.operation.operation = .constantDifferenceWithFlags
            match.kept = 1..<2
        }
        if match.count < operations.count, isResult(operations[match.count], flagged),
            uses[Int(flagged.operation.destination.rawValue)] == flagged.resultReads + 1
        {
            match.operation.destination = operations[match.count].destination
            match.count += 1
        }
        return match
    }

    /// The move of a result to its register, which adds nothing to it.
    static func isResult(_ move: MicroOp, _ flagged: Flagged) -> Bool {
        let whole = flagged.operation
        return move.operation == .move && move.a == whole.destination && move.width == whole.width && move.width >= 32
            && move.width <= 64 && whole.destination.isTemporary && !move.destination.isTemporary
    }

    static func flagged(_ operations: UnsafeBufferPointer<MicroOp>) -> Flagged? {
        guard operations.count >= 7 else { return nil }
        let whole = operations[0]
        switch whole.operation {
        case .add:
            return arithmetic(
                operations, .flagsOfSum, Flagged(operation: whole.with(.sumWithFlags), count: 7, resultReads: 6))
        case .subtract:
            return arithmetic(
                operations, .flagsOfDifference,
                Flagged(operation: whole.with(.differenceWithFlags), count: 7, resultReads: 4))
        case .and:
            guard let flags = logicFlags(UnsafeBufferPointer(rebasing: operations[1...])),
                flags.operation.destination == whole.destination, flags.operation.width == whole.width
            else { return nil }
            return Flagged(operation: whole.with(.andWithFlags), count: 7, resultReads: 3)
        default: return nil
        }
    }

    /// A sum or difference: for its flags a constant is put into a slot, which may be done between.
    private static func arithmetic(
        _ operations: UnsafeBufferPointer<MicroOp>, _ form: Operation, _ found: Flagged
    ) -> Flagged? {
        var found = found
        let whole = found.operation
        guard whole.destination != whole.a, whole.destination != whole.b else { return nil }
        var b = whole.b
        if b == .immediate, whole.immediate == 0 {
            // The flags name a constant 0 by its slot.
            b = .zero
            found.operation.b = .zero
        } else if b == .immediate {
            let move = operations[1]
            guard move.operation == .move, move.width == 64, move.a == .immediate, move.immediate == whole.immediate,
                move.destination.isTemporary, move.destination != whole.a, move.destination != whole.destination
            else { return nil }
            b = move.destination
            found.count = 8
            found.constant = (b, form == .flagsOfSum ? 2 : 4)
        }
        guard let flags = flags(UnsafeBufferPointer(rebasing: operations[(found.count - 6)...])),
            flags.operation
                == MicroOp(form, width: whole.width, destination: whole.destination, a: whole.a, b: b)
        else { return nil }
        return found
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
