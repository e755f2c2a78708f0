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

    /// Backward pass. A guest-visible slot is dead before a write that nothing reads or can fault in between.
    private func liveOperations() -> [Bool] {
        var keep = Array(repeating: true, count: operations.count)
        var deadGuest: Set<Slot> = []
        var liveTemporaries: Set<Slot> = []
        for index in operations.indices.reversed() {
            let operation = operations[index]
            let destinations = operation.destinations
            let hasEffect =
                operation.mayFault || operation.operation.isTerminator || operation.operation == .branch
                || operation.operation == .helper
            if !hasEffect {
                let isDead = destinations.allSatisfy {
                    $0.isTemporary ? !liveTemporaries.contains($0) : deadGuest.contains($0)
                }
                if isDead {
                    keep[index] = false
                    continue
                }
            }
            if hasEffect { deadGuest.removeAll(keepingCapacity: true) }
            for slot in destinations where !slot.isTemporary && !hasEffect { deadGuest.insert(slot) }
            for slot in operation.sources {
                if slot.isTemporary { liveTemporaries.insert(slot) } else { deadGuest.remove(slot) }
            }
        }
        return keep
    }

    /// `op t, ...; move G, t` becomes `op G, ...` when t has no other use and nothing in between minds.
    private mutating func coalesce(_ keep: inout [Bool]) {
        var uses: [Slot: Int] = [:]
        var definition: [Slot: Int] = [:]
        for index in operations.indices where keep[index] {
            for slot in operations[index].sources where slot.isTemporary { uses[slot, default: 0] += 1 }
            for slot in operations[index].destinations where slot.isTemporary { definition[slot] = index }
        }
        for index in operations.indices where keep[index] {
            let move = operations[index]
            guard move.operation == .move, move.a.isTemporary, !move.destination.isTemporary, uses[move.a] == 1,
                let source = definition[move.a], keep[source], isFitting(operations[source], move)
            else { continue }
            let target = move.destination
            var isFree = true
            for between in (source + 1)..<index where keep[between] {
                let other = operations[between]
                if other.mayFault || other.operation == .helper || other.sources.contains(target)
                    || other.destinations.contains(target)
                {
                    isFree = false
                    break
                }
            }
            guard isFree else { continue }
            operations[source].destination = target
            keep[index] = false
        }
    }

    /// The move adds nothing to what the operation writes.
    private func isFitting(_ operation: MicroOp, _ move: MicroOp) -> Bool {
        guard operation.operation != .helper, operation.destinations.count == 1 else { return false }
        switch move.width {
        case 64: return true
        case 32:
            switch operation.operation {
            case .insert, .scaledAdd, .signExtend: return false
            default:
                return operation.width <= 32 && operation.operation.rawValue < Operation.laneAdd.rawValue
                    || operation.width <= 32 && (operation.operation == .load || operation.operation == .loadForStore)
            }
        default: return false
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
