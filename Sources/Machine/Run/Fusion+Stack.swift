import X86

// The stack in 64-bit mode
extension Fusion {
    /// PUSH: a store below the stack pointer, which goes there.
    static func push(_ operations: UnsafeBufferPointer<MicroOp>) -> Match? {
        guard operations.count > 1, isPush(operations[0], operations[1]) else { return nil }
        return Match(operation: operations[0].with(.push), count: 2)
    }

    /// CALL: the address behind it is pushed, and a jump follows.
    static func pushConstant(_ operations: UnsafeBufferPointer<MicroOp>, _ uses: [Int]) -> Match? {
        guard operations.count > 3 else { return nil }
        let (move, store) = (operations[0], operations[1])
        guard move.operation == .move, move.width == 64, move.a == .immediate, store.operation == .store,
            store.b == move.destination, isOnlyFor(move.destination, uses), isPush(store, operations[2]),
            operations[3].operation == .jump || operations[3].operation == .jumpIndirect
        else { return nil }
        let whole = MicroOp(.pushConstant, a: store.a, b: .immediate, immediate: move.immediate)
        return Match(operation: whole, count: 3, kept: 1..<2)
    }

    private static func isPush(_ store: MicroOp, _ sum: MicroOp) -> Bool {
        store.width == 64 && isGeneral(store.a) && store.b != .immediate
            && sum == MicroOp(.add, destination: store.a, a: store.a, b: .immediate, immediate: store.immediate)
    }

    /// POP and RET: a load from the stack pointer, which goes above.
    static func stackLoad(_ operations: UnsafeBufferPointer<MicroOp>, _ uses: [Int]) -> Match? {
        guard operations.count > 1 else { return nil }
        var (load, sum) = (operations[0], operations[1])
        guard load.width == 64, isGeneral(load.a), load.immediate == 0, load.destination != load.a,
            sum == MicroOp(.add, destination: load.a, a: load.a, b: .immediate, immediate: sum.immediate)
        else { return nil }
        load.immediate = sum.immediate
        if operations.count > 2, operations[2].operation == .jumpIndirect, operations[2].a == load.destination,
            isOnlyFor(load.destination, uses)
        {
            return Match(operation: load.with(.popAndJump), count: 3)
        }
        return Match(operation: load.with(.pop), count: 2)
    }

    private static func isGeneral(_ slot: Slot) -> Bool { slot.rawValue < 16 }
}
