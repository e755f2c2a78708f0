/// Removes what nobody reads: dead flags, dead temporaries, and moves from a temporary to the slot it was computed for.
struct Optimizer {
    var operations: [MicroOp]
    var instructions: [InstructionRecord]

    init(operations: [MicroOp], instructions: [InstructionRecord]) {
        self.operations = operations
        self.instructions = instructions
    }

    mutating func run() {
        var keep = liveOperations()
        coalesce(&keep)
        compact(keep)
    }

    /// Slots of one operation without allocation: at most four sources and two destinations; helpers are asked separately.
    private static func forEachSource(_ operation: MicroOp, _ body: (Int) -> Void) {
        if operation.operation == .helper {
            for slot in operation.helperEffects.reads { body(Int(slot.rawValue)) }
            return
        }
        let used = operation.operandUse
        if used.a { body(Int(operation.a.rawValue)) }
        if used.b { body(Int(operation.b.rawValue)) }
        if operation.operation.immediateIsSlot { body(Int(operation.third.rawValue)) }
        if operation.width == 128 {
            if operation.operation == .store { body(Int(operation.b.rawValue) + 1) }
            if operation.operation == .move { body(Int(operation.a.rawValue) + 1) }
        }
    }

    private static func forEachDestination(_ operation: MicroOp, _ body: (Int) -> Void) {
        switch operation.operation {
        case .store, .requireAligned, .branch, .jump, .jumpIndirect, .raise, .hypercall, .s2eOpcode, .unsupported,
            .halt:
            break
        case .helper: for slot in operation.helperEffects.writes { body(Int(slot.rawValue)) }
        default:
            body(Int(operation.destination.rawValue))
            if operation.width == 128 { body(Int(operation.destination.rawValue) + 1) }
        }
    }

    private static let firstTemporary = Int(Slot.firstTemporary.rawValue)

    /// Backward pass. A guest-visible slot is dead before a write that nothing reads or can fault in between.
    private func liveOperations() -> [Bool] {
        var keep = Array(repeating: true, count: operations.count)
        // One mark per slot: a dead guest slot, or a live temporary.
        var marks = Array(repeating: false, count: Slot.count + 2)
        let first = Self.firstTemporary
        for index in operations.indices.reversed() {
            let operation = operations[index]
            let hasEffect =
                operation.mayFault || operation.operation.isTerminator || operation.operation == .branch
                || operation.operation == .helper
            if hasEffect {
                for slot in 0..<first { marks[slot] = false }
            } else {
                var isDead = true
                Self.forEachDestination(operation) { slot in
                    if marks[slot] != (slot < first) { isDead = false }
                }
                if isDead {
                    keep[index] = false
                    continue
                }
                Self.forEachDestination(operation) { slot in if slot < first { marks[slot] = true } }
            }
            Self.forEachSource(operation) { slot in marks[slot] = slot >= first }
        }
        return keep
    }

    /// `op t, ...; move G, t` becomes `op G, ...` when t has no other use and nothing in between minds.
    private mutating func coalesce(_ keep: inout [Bool]) {
        var uses = Array(repeating: 0, count: Slot.count + 2)
        var definition = Array(repeating: -1, count: Slot.count + 2)
        for index in operations.indices where keep[index] {
            Self.forEachSource(operations[index]) { uses[$0] += 1 }
            Self.forEachDestination(operations[index]) { definition[$0] = index }
        }
        for index in operations.indices where keep[index] {
            let move = operations[index]
            guard move.operation == .move, move.a.isTemporary, !move.destination.isTemporary,
                uses[Int(move.a.rawValue)] == 1
            else { continue }
            let source = definition[Int(move.a.rawValue)]
            guard source >= 0, keep[source], isFitting(operations[source], move) else { continue }
            let target = Int(move.destination.rawValue)
            let isWide = move.width == 128
            guard !isWide || uses[Int(move.a.rawValue) + 1] == 1 else { continue }
            var isFree = true
            for between in (source + 1)..<index where keep[between] {
                let other = operations[between]
                if other.mayFault || other.operation == .helper {
                    isFree = false
                    break
                }
                Self.forEachSource(other) { if $0 == target || (isWide && $0 == target + 1) { isFree = false } }
                Self.forEachDestination(other) { if $0 == target || (isWide && $0 == target + 1) { isFree = false } }
                if !isFree { break }
            }
            guard isFree else { continue }
            operations[source].destination = move.destination
            keep[index] = false
        }
    }

    /// The move adds nothing to what the operation writes.
    private func isFitting(_ operation: MicroOp, _ move: MicroOp) -> Bool {
        guard operation.operation != .helper else { return false }
        if move.width == 128 || operation.width == 128 {
            return move.width == 128 && operation.width == 128 && operation.operation == .load
                && operation.destination == move.a
        }
        if move.width == 64 { return true }
        switch operation.operation {
        case .insert, .scaledAdd, .signExtend: return false
        case .load, .loadForStore: return operation.width <= move.width
        default: return operation.width <= move.width && operation.operation.rawValue < Operation.laneAdd.rawValue
        }
    }

    private mutating func compact(_ keep: [Bool]) {
        var kept: [MicroOp] = []
        kept.reserveCapacity(operations.count)
        var firstKept: [Int] = []
        firstKept.reserveCapacity(operations.count + 1)
        for index in operations.indices {
            firstKept.append(kept.count)
            if keep[index] { kept.append(operations[index]) }
        }
        firstKept.append(kept.count)
        instructions = instructions.map {
            InstructionRecord(rip: $0.rip, firstOperation: firstKept[$0.firstOperation], length: $0.length)
        }
        operations = kept
    }
}
