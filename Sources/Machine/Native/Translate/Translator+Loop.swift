import X86

// Blocks that jump to their own start keep guest slots in registers from one round to the next
extension Translator {
    /// Slots that a loop keeps in registers at most; the rest of the pool is for temporaries.
    private static let pinnedCount = 5

    /// One guest slot that is in `register` whenever a round begins.
    struct PinnedSlot {
        let slot: Int
        let register: HostRegister
    }

    /// What a pinned slot's register must get before the next round.
    struct LoopMove {
        enum Source {
            case register(HostRegister)
            case constant(UInt64)
            case memory
        }
        let pinned: PinnedSlot
        let source: Source
    }

    /// Loads the slots that the block uses most, if it is a loop. Code that comes from the loop's end enters behind this.
    ///
    /// A repetition goes through the start of its block again, and so do blocks with helpers.
    func beginLoop(isRepetition: Bool) {
        pinned.removeAll(keepingCapacity: true)
        defer { loopStart = code.position }
        let isLoop = operations.contains {
            ($0.operation == .branch || $0.operation == .jump) && $0.immediate == rip
        }
        guard isLoop, !isRepetition, !operations.contains(where: { $0.operation == .helper && !isInline($0) }) else {
            return
        }
        var uses = InlineArray<64, Int32>(repeating: 0)
        var isWritten = InlineArray<64, Bool>(repeating: false)
        let hasFloat = hasFloat
        func isCandidate(_ slot: Int) -> Bool { slot < 16 || (!hasFloat && (32..<64).contains(slot)) }
        for operation in operations {
            Self.forEachSource(operation) { if isCandidate($0) { uses[$0] += 1 } }
            switch operation.operation {
            case .store, .requireAligned, .branch, .jump, .jumpIndirect, .raise, .hypercall, .s2eOpcode, .unsupported,
                .halt:
                break
            default:
                let slot = Int(operation.destination.rawValue)
                for part in slot..<slot + (operation.width == 128 ? 2 : 1) where isCandidate(part) {
                    uses[part] += 1
                    isWritten[part] = true
                }
            }
        }
        while pinned.count < Self.pinnedCount {
            var best = 0
            for slot in 0..<64 where uses[slot] > uses[best] { best = slot }
            guard uses[best] > 0 else { break }
            uses[best] = 0
            let register = Self.pool[pinned.count]
            pinned.append(PinnedSlot(slot: best, register: register))
            code.load(register, NativeFrame.slot(best))
            slots[best].register = register.number
            // In later rounds the slot file lacks what the block writes.
            slots[best].isInMemory = !isWritten[best]
            registerSlot[Int(register.number)] = Int16(best)
            free &= ~(1 << UInt16(register.number))
        }
    }

    /// True when going on at `target` is the next round of a loop.
    func isNextRound(_ target: UInt64) -> Bool { target == rip && !pinned.isEmpty && !mayChangeSet }

    /// How the pinned slots get to their registers from here.
    func appendLoopMoves() {
        for pinned in pinned {
            let state = slots[pinned.slot]
            let source: LoopMove.Source =
                state.register != SlotState.noRegister
                ? .register(HostRegister(state.register)) : state.isConstant ? .constant(state.constant) : .memory
            loopMoves.append(LoopMove(pinned: pinned, source: source))
        }
    }

    /// The end of a round: to the start again as long as the jump cache names this block.
    func emitLoop(_ stub: Stub, _ firstMove: Int) {
        let changed = writeBacks[stub.firstWriteBack..<stub.firstWriteBack + stub.writeBackCount]
        let moves = loopMoves[firstMove..<firstMove + pinned.count]
        func isPinned(_ slot: UInt16) -> Bool { pinned.contains { $0.slot == Int(slot) } }
        for writeBack in changed where !isPinned(writeBack.slot) { emit(writeBack) }
        countRetired()
        let entry = TLB.Layout.jumps + Int32(TLB.jumpIndex(rip) << Int(TLB.Layout.entryShift))
        code.compare(
            HostAddress(.r13, entry + TLB.Layout.jumpCode), patchable: UInt32(truncatingIfNeeded: blockStart))
        let missing = code.jump(.notEqual)
        emitRegisterMoves(moves)
        for move in moves {
            switch move.source {
            case .register: break
            case .constant(let constant): code.move(move.pinned.register, constant: constant)
            case .memory: code.load(move.pinned.register, NativeFrame.slot(move.pinned.slot))
            }
        }
        code.jump(to: loopStart)
        code.bindHere(missing)
        for writeBack in changed where isPinned(writeBack.slot) { emit(writeBack) }
        leaveForLookup(rip)
    }

    /// Moves between registers as if all at once; RAX may change.
    private func emitRegisterMoves(_ moves: ArraySlice<LoopMove>) {
        var rest: [(to: HostRegister, from: HostRegister)] = []
        for move in moves {
            if case .register(let source) = move.source, source != move.pinned.register {
                rest.append((move.pinned.register, source))
            }
        }
        while !rest.isEmpty {
            if let index = rest.firstIndex(where: { move in !rest.contains { $0.from == move.to } }) {
                code.move(rest[index].to, rest[index].from)
                rest.remove(at: index)
            } else {
                // A cycle: its first target's old value waits in RAX.
                let target = rest[0].to
                code.move(.rax, target)
                for index in rest.indices where rest[index].from == target { rest[index].from = .rax }
            }
        }
    }
}
