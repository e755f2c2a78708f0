import X86

/// Translates one block of micro-operations to machine code in a single pass.
///
/// Slots live in registers from their first use until the register is needed, a helper runs or the block ends; changed guest-visible
/// slots are written to the slot file where somebody can look: at exits, and on the slow paths of accesses. Flags are taken from the
/// host's own flags where the host computed the same thing. Working memory is kept between blocks.
final class Translator {
    /// Bytes between the end of a guard's constant (`NativeCode.link`) and the distance of its jump: Jcc rel32, JMP opcode.
    static let guardToDistance = 4 + 6 + 1
    /// No offset of a block: the guard of a jump that is not linked.
    static let unlinked: UInt32 = 0xFFFF_FFFF

    static let pool: [HostRegister] = [.rbx, .rbp, .rsi, .rdi, .r8, .r9, .r10, .r11]
    static let poolMask: UInt16 = pool.reduce(0) { $0 | 1 << UInt16($1.number) }
    /// `registerSlot` of a register that holds a value without slot, until the end of the operation.
    static let unnamed: Int16 = -2
    static let noSlot: Int16 = -1

    /// Places behind the slots for old values that flags wait for.
    static let firstHidden = Slot.count + 2
    static let hiddenCount = 6

    /// Indexed by slot, `Slot.count` + 2 of them, and hidden places.
    let slots: UnsafeMutablePointer<SlotState>
    /// Indexed by register number.
    let registerSlot: UnsafeMutablePointer<Int16>
    let lastUse: UnsafeMutablePointer<UInt32>
    @exclusivity(unchecked) var free: UInt16 = 0
    /// Registers that the present operation uses.
    @exclusivity(unchecked) var locked: UInt16 = 0
    @exclusivity(unchecked) var time: UInt32 = 0
    /// Guest-visible slots that hold constants which the slot file lacks.
    @exclusivity(unchecked) var constantSlots: [UInt16] = []
    /// What EFLAGS tell at this point of the code.
    @exclusivity(unchecked) var flags = Arithmetic.none
    @exclusivity(unchecked) var writeBacks: [WriteBack] = []
    @exclusivity(unchecked) var stubs: [Stub] = []
    /// Flags that are not computed yet.
    @exclusivity(unchecked) var records: [FlagRecord] = []
    @exclusivity(unchecked) var flagWriteBacks: [FlagWriteBack] = []
    /// Of a block that is a loop.
    @exclusivity(unchecked) var pinned: [PinnedSlot] = []
    @exclusivity(unchecked) var loopMoves: [LoopMove] = []
    @exclusivity(unchecked) var loopStart = 0
    @exclusivity(unchecked) var blockStart = 0
    @exclusivity(unchecked) var pending = PendingFlags.inherited
    /// The block computes with floating point in line.
    @exclusivity(unchecked) var hasFloat = false
    /// Indexed by XMM register.
    @exclusivity(unchecked) var vectors = InlineArray<16, RememberedVector>(repeating: RememberedVector())
    @exclusivity(unchecked) var nextVector: UInt8 = 0
    /// XMM registers that the present operation uses.
    @exclusivity(unchecked) var lockedVectors: UInt16 = 0
    /// The operation from which on the block replaces all six flags before anybody can look, or -1.
    @exclusivity(unchecked) var killStart = -1

    @exclusivity(unchecked) var code: CodeAssembler
    let features: HostFeatures
    let routines: NativeRoutines
    @exclusivity(unchecked) var operations: [MicroOp] = []
    @exclusivity(unchecked) var rip: UInt64 = 0
    @exclusivity(unchecked) var instructionCount = 0
    @exclusivity(unchecked) var blockIndex = 0
    /// Address of the `CachedBlock`.
    @exclusivity(unchecked) var blockAddress: UInt64 = 0
    @exclusivity(unchecked) var set = 0
    /// A helper ran that may have changed who executes: the key for the next block is in the frame.
    @exclusivity(unchecked) var mayChangeSet = false

    init(_ routines: NativeRoutines, _ features: HostFeatures, _ code: CodeAssembler) {
        self.routines = routines
        self.features = features
        self.code = code
        slots = .allocate(capacity: Self.firstHidden + Self.hiddenCount)
        slots.initialize(repeating: SlotState(), count: Self.firstHidden + Self.hiddenCount)
        registerSlot = .allocate(capacity: 16)
        registerSlot.initialize(repeating: Self.noSlot, count: 16)
        lastUse = .allocate(capacity: 16)
        lastUse.initialize(repeating: 0, count: 16)
    }

    deinit {
        slots.deallocate()
        registerSlot.deallocate()
        lastUse.deallocate()
    }

    /// Appends the translation of a block to `assembler`.
    ///
    /// - Parameters:
    ///   - index: number of the block in `NativeCode.blocks`.
    ///   - set: the TLB set of whoever executes it.
    func translate(_ cached: CachedBlock, index: Int, set: Int, _ assembler: inout CodeAssembler) {
        let block = cached.block
        code = assembler
        blockAddress = UInt64(UInt(bitPattern: Unmanaged.passUnretained(cached).toOpaque()))
        self.set = set
        operations = block.operations
        rip = block.rip
        instructionCount = block.instructions.count
        blockIndex = index
        reset(slotCount: min(block.slotLimit + 2, Slot.count + 2))

        blockStart = code.position
        beginFloat()
        if block.repetition != nil { beginRepetition() }
        beginLoop(isRepetition: block.repetition != nil)
        // The budget: `retired >= stop` before the block.
        code.arithmetic(.compare, .r12, NativeFrame.stop)
        addStub(.begin, from: code.jump(.aboveOrEqual), writesBack: true)
        beginFlags()
        var position = 0
        while position < operations.count {
            position += emit(position)
            finishOperation()
        }
        var next = 0
        while next < stubs.count {
            emitStub(stubs[next])
            next += 1
        }
        assembler = code
        operations = []
    }

    private func reset(slotCount: Int) {
        for slot in 0..<slotCount { slots[slot] = SlotState() }
        for index in 0..<Self.hiddenCount { slots[Self.firstHidden + index] = SlotState() }
        for slot in 17...23 { slots[slot].bound = 1 }
        slots[Int(Slot.zero.rawValue)].isConstant = true
        slots[Int(Slot.zero.rawValue)].bound = 0
        for register in 0..<16 { registerSlot[register] = Self.noSlot }
        free = Self.poolMask
        locked = 0
        time = 0
        flags = .none
        mayChangeSet = false
        constantSlots.removeAll(keepingCapacity: true)
        writeBacks.removeAll(keepingCapacity: true)
        stubs.removeAll(keepingCapacity: true)
        records.removeAll(keepingCapacity: true)
        flagWriteBacks.removeAll(keepingCapacity: true)
        loopMoves.removeAll(keepingCapacity: true)
        for operation in operations { Self.forEachSource(operation) { slots[$0].usesLeft += 1 } }
    }

    /// Slots that an operation reads, once per operand.
    static func forEachSource(_ operation: MicroOp, _ body: (Int) -> Void) {
        if operation.operation == .helper {
            for slot in operation.helperEffects.reads { body(Int(slot.rawValue)) }
            return
        }
        let used = operation.operandUse
        if used.a { body(Int(operation.a.rawValue)) }
        if used.b { body(Int(operation.b.rawValue)) }
        if operation.operation.immediateIsSlot { body(Int(operation.third.rawValue) & (Slot.count - 1)) }
        if operation.width == 128 {
            if operation.operation == .store { body(Int(operation.b.rawValue) + 1) }
            if operation.operation == .move { body(Int(operation.a.rawValue) + 1) }
        }
    }

    /// Emits the operation at `position`, alone or with those behind it that it is done together with.
    ///
    /// - Returns: how many operations.
    private func emit(_ position: Int) -> Int {
        let op = operations[position]
        if position == killStart { pending = .stale }
        materializeSources(op)
        consume(op)
        switch op.operation {
        case .move: emitMove(op)
        case .add, .subtract, .and, .or, .xor: emitArithmetic(op)
        case .scaledAdd: emitScaledAdd(op)
        case .multiply: emitMultiply(op)
        case .multiplyHighUnsigned, .multiplyHighSigned: emitMultiplyHigh(op)
        case .negate, .not: emitUnary(op)
        case .signExtend: emitSignExtend(op)
        case .extract: emitExtract(op)
        case .insert: emitInsert(op)
        case .select: emitSelect(op, condition: nil)
        case .shiftLeft, .shiftRight, .shiftRightArithmetic: emitShift(op)
        case .rotateLeft, .rotateRight: emitRotate(op)
        case .equal, .notEqual, .lessUnsigned, .lessOrEqualUnsigned, .lessSigned, .lessOrEqualSigned, .sign:
            return emitCondition(op, position)
        case .parity, .auxiliaryCarry, .carryAdd, .carrySubtract, .overflowAdd, .overflowSubtract: emitFlag(op)
        case .divideUnsigned, .remainderUnsigned, .divideSigned, .remainderSigned: return emitDivision(op, position)
        case .countLeadingZeros, .countTrailingZeros, .populationCount, .byteSwap, .depositBits, .extractBits, .crc32:
            emitBits(op, position)
        case .load, .loadForStore: emitLoad(op, position)
        case .store: emitStore(op, position)
        case .requireAligned: emitRequireAligned(op, position)
        case .helper: emitHelper(op, position)
        case .branch: emitBranch(op, position)
        case .jump: emitExit(to: op.immediate)
        case .jumpIndirect: emitIndirectExit(op)
        case .raise, .hypercall, .s2eOpcode, .unsupported, .halt: emitTerminator(position)
        default: emitLanes(op, position)
        }
        return 1
    }
}
