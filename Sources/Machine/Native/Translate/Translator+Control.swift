import X86

// Helpers, ends of blocks, and what is off the hot path
extension Translator {
    /// Helpers that neither change the privilege level nor what else decides about the TLB set.
    private static let plainHelpers: Set<Helper> = [
        .cpuid, .readTimeStamp, .readTimeStampAndProcessor, .readProcessorID, .readRandom, .readMachineStatus,
        .readSystemFlags, .requireFSGSBase, .requireCanonical, .writeMXCSR, .readMXCSR, .x87Register, .x87Memory,
        .vectorFloat, .compareFloat, .convertFloat, .swapGS, .clearInterruptFlag, .setInterruptFlag, .readMSR,
        .writeBackCaches, .monitor, .readSegment, .fxSave, .fxRestore, .xSave, .xRestore,
    ]

    /// At the start of the block of a repeated string instruction: many iterations at once.
    func beginRepetition() {
        code.arithmetic(
            .compare, NativeFrame.slot(Int(Slot.rcx.rawValue)), constant: Machine.fewestIterations, 64)
        let few = code.jump(.below)
        request(0)
        code.call(to: routines.repetition)
        code.bindHere(few)
    }

    private func request(_ position: Int) {
        code.move(.rcx, constant: UInt64(UInt32(truncatingIfNeeded: position)) << 12)
        code.move(.rdx, constant: blockAddress)
    }

    func emitHelper(_ op: MicroOp, _ position: Int) {
        if emitFloat(op) { return }
        Self.forEachSource(op) { slot in
            if slot >= 128 { writeBack(Slot(UInt16(slot))) }
        }
        settleFlags()
        flushAll()
        request(position)
        code.call(to: routines.helper)
        for slot in op.helperEffects.writes where slot.isTemporary { defineInMemory(slot) }
        pending = .clear
        if let helper = op.helper, !Self.plainHelpers.contains(helper) { mayChangeSet = true }
    }

    /// The operation as `executeSeldom` does it: operands and result in the slot file.
    func emitSeldom(_ op: MicroOp, _ position: Int) {
        if op.mayFault { settleFlags() }
        Self.forEachSource(op) { slot in
            if slot != Int(Slot.immediate.rawValue) { writeBack(Slot(UInt16(slot))) }
        }
        if op.mayFault { emitWriteBacks() }
        giveUp(Int(op.destination.rawValue))
        request(position)
        code.call(to: routines.seldom)
        flags = .none
        defineInMemory(op.destination)
    }

    /// `branch` on a slot.
    func emitBranch(_ op: MicroOp, _ position: Int) {
        isLastBranch(position) ? leaveFlags() : settleFlags()
        if let condition = constant(op.a, op) {
            if condition & 1 != 0 { addBranch(to: op.immediate, from: code.jump()) }
            return
        }
        let condition = register(op.a, op)
        code.test(condition, constant: 1, 8)
        flags = .none
        addBranch(to: op.immediate, from: code.jump(.notEqual))
    }

    /// A branch that is taken.
    func addBranch(to target: UInt64, from place: Int) {
        guard isNextRound(target) else {
            addStub(.exit(target: target), from: place, writesBack: true)
            return
        }
        let first = loopMoves.count
        appendLoopMoves()
        addStub(.loop(moves: first), from: place, writesBack: true)
    }

    /// Back to Swift for the block at `target`.
    func leaveForLookup(_ target: UInt64) {
        setRIP(target)
        code.move(.rax, constant: 0)
        code.jump(to: routines.leaveForLookup)
    }

    func countRetired() {
        if instructionCount > 0 {
            code.loadAddress(.r12, HostAddress(.r12, Int32(truncatingIfNeeded: instructionCount)))
        }
    }

    private func setRIP(_ value: UInt64) {
        emit(WriteBack(slot: Slot.rip.rawValue, register: SlotState.noRegister, constant: value))
    }

    func emitExit(to target: UInt64) {
        leaveFlags()
        if isNextRound(target) {
            addBranch(to: target, from: code.jump())
            return
        }
        emitWriteBacks()
        emitLink(to: target)
    }

    /// Behind the write-backs: to the block at `target`.
    private func emitLink(to target: UInt64) {
        countRetired()
        if mayChangeSet {
            setRIP(target)
            code.move(.rax, constant: target)
            emitJumpCache()
            return
        }
        let entry = TLB.Layout.jumps + Int32(TLB.jumpIndex(target) << Int(TLB.Layout.entryShift))
        code.compare(HostAddress(.r13, entry + TLB.Layout.jumpCode), patchable: Self.unlinked)
        let place = code.position - 4
        addStub(.miss(target: target, place: place), from: code.jump(.notEqual))
        let distance = code.jump()
        code.bindHere(distance)
    }

    func emitIndirectExit(_ op: MicroOp) {
        let isRIP = op.a == .rip
        leaveFlags()
        copy(.rax, op.a, op)
        emitWriteBacks()
        if !isRIP { code.store(NativeFrame.slot(Int(Slot.rip.rawValue)), .rax) }
        countRetired()
        emitJumpCache()
    }

    /// To the block at RAX, which the RIP slot holds already, by the jump cache.
    private func emitJumpCache() {
        code.move(.rcx, .rax)
        code.shift(.right, .rcx, by: 10)
        code.arithmetic(.xor, .rcx, .rax, 32)
        code.arithmetic(.and, .rcx, constant: UInt64(TLB.jumpCount - 1), 32)
        code.shift(.left, .rcx, by: UInt8(TLB.Layout.entryShift), 32)
        code.arithmetic(.xor, .rax, HostAddress(.rsp, NativeFrame.key))
        code.arithmetic(.compare, .rax, HostAddress(.r13, TLB.Layout.jumps + TLB.Layout.jumpKey, index: .rcx))
        addStub(.lookup, from: code.jump(.notEqual))
        code.load(.rax, HostAddress(.r13, TLB.Layout.jumps + TLB.Layout.jumpCode, index: .rcx), 32)
        // Offset 0 leads back to Swift.
        code.loadAddress(.rdx, codeOffset: 0)
        code.arithmetic(.add, .rax, .rdx)
        code.jump(.rax)
    }

    func emitTerminator(_ position: Int) {
        settleFlags()
        emitWriteBacks()
        leave(.terminator, position)
    }

    private func leave(_ status: NativeStatus, _ position: Int) {
        code.move(
            .rax,
            constant: status.rawValue | UInt64(position) << 8 | UInt64(UInt32(truncatingIfNeeded: blockIndex)) << 32)
        code.jump(to: routines.leave)
    }

    func emitStub(_ stub: Stub) {
        code.bindHere(stub.from)
        for index in 0..<stub.flagCount { emit(flagWriteBacks[stub.firstFlag + index]) }
        if stub.clearsPending { code.store(NativeFrame.pendingFlags, constant: 0, 32) }
        if case .loop(let first) = stub.kind {
            emitLoop(stub, first)
            return
        }
        for index in 0..<stub.writeBackCount { emit(writeBacks[stub.firstWriteBack + index]) }
        switch stub.kind {
        case .load(let register, let displacement, let first, let second, let info):
            callAccess(register, displacement, info, routines.load)
            code.load(first, HostAddress(.rsp, NativeFrame.value))
            if let second { code.load(second, HostAddress(.rsp, NativeFrame.value + 8)) }
            code.jump(to: stub.back)
        case .store(let register, let displacement, let first, let second, let info):
            // Narrow stores use the low bytes only; constants are sign-extended, whatever their width.
            put(first.extended, HostAddress(.rsp, NativeFrame.value), 64)
            if let second { put(second.extended, HostAddress(.rsp, NativeFrame.value + 8), 64) }
            callAccess(register, displacement, info, routines.store)
            code.jump(to: stub.back)
        case .exit(let target): emitLink(to: target)
        case .loop: break
        case .miss(let target, let place):
            // An unlinked jump leads to the next instruction, which is never reached.
            setRIP(target)
            code.move(.rax, constant: UInt64(place))
            code.jump(to: routines.leaveForLookup)
        case .begin: leaveForLookup(rip)
        case .lookup:
            code.move(.rax, constant: 0)
            code.jump(to: routines.leaveForLookup)
        case .settle:
            code.call(to: routines.settle)
            code.jump(to: stub.back)
        case .loadFloat:
            setRIP(rip)
            code.call(to: routines.loadFloat)
            code.jump(to: stub.back)
        case .divideError(let operation): leave(.divideError, operation)
        case .unaligned(let operation): leave(.unaligned, operation)
        case .seldom(let operation, let result, let slot):
            request(operation)
            code.call(to: routines.seldom)
            code.load(result, NativeFrame.slot(slot))
            code.jump(to: stub.back)
        }
    }

    private func callAccess(_ register: HostRegister, _ displacement: Int32, _ info: UInt32, _ routine: Int) {
        // An address in RAX is complete.
        if register != .rax { code.loadAddress(.rax, HostAddress(register, displacement)) }
        code.move(.rcx, constant: UInt64(info))
        code.move(.rdx, constant: blockAddress)
        code.call(to: routine)
    }
}

extension StoreSource {
    /// A constant as a 64-bit store can hold it: the bits above 32 do not matter for the widths that use this.
    fileprivate var extended: StoreSource {
        if case .constant(let value) = self {
            .constant(UInt64(bitPattern: Int64(Int32(truncatingIfNeeded: value))))
        } else {
            self
        }
    }
}
