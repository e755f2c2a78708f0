import CZydis

/// A value while lifting: a slot whose low bits are valid (the upper ones may be anything), or a constant.
enum Value: Equatable {
    case slot(Slot)
    case constant(UInt64)

    static let zero = Value.constant(0)
}

/// What the flags slots were last set from, so that conditions become comparisons of the operands.
enum FlagSource {
    case none
    /// Flags of a - b.
    case subtract(width: UInt8, a: Value, b: Value)
    /// Flags of a logical result: CF = OF = 0.
    case logic(width: UInt8, result: Value)
    /// Only ZF and SF (and PF) are known to be those of the result.
    case result(width: UInt8, result: Value)
}

/// Collects the micro-operations of one block.
///
/// An instruction is lifted in two parts: its body computes into temporaries and does all memory accesses; its commits then move
/// results to guest-visible slots. `Optimizer` removes most of the moves again.
struct BlockBuilder {
    let context: LiftContext
    let rip: UInt64
    var operations: [MicroOp] = []
    var instructions: [InstructionRecord] = []
    var unsupportedBytes: [UInt8] = []
    var nextTemporary = Slot.firstTemporary.rawValue
    var commits: [MicroOp] = []
    /// Control transfer of the current instruction, emitted after the commits.
    var terminators: [MicroOp] = []
    var flags = FlagSource.none
    /// The current instruction replaced the flag slots: what it says about them from now on.
    var pendingFlags: FlagSource?
    /// Set by a repeated string instruction that is the first one of the block, and so the only one.
    var repetition: RepeatedString?

    init(context: LiftContext, rip: UInt64) {
        self.context = context
        self.rip = rip
    }

    /// What lifting one instruction came to.
    enum Outcome {
        case lifted
        /// The instruction must begin a block (it looks at RIP or changes the mode).
        case needsOwnBlock
        case unsupported
    }

    mutating func build(_ code: UnsafeRawBufferPointer, maximumInstructions: Int) -> Block? {
        var decoder = InstructionDecoder(context: context)
        var offset = 0
        var ended = false
        while !ended {
            let here = (rip &+ UInt64(offset)) & context.pointerMask
            if instructions.count >= maximumInstructions || Int(nextTemporary) > Slot.count - 200 {
                operations.append(MicroOp(.jump, immediate: here))
                break
            }
            let rest = UnsafeRawBufferPointer(rebasing: code[min(offset, code.count)...])
            let firstOperation = operations.count
            if context.hasHypercalls, let (operation, length) = Self.hypercall(rest) {
                instructions.append(InstructionRecord(rip: here, firstOperation: firstOperation, length: length))
                operations.append(operation)
                offset += length
                break
            }
            switch decoder.decode(rest, rip: here) {
            case .truncated:
                if instructions.isEmpty { return nil }
                operations.append(MicroOp(.jump, immediate: here))
                ended = true
            case .invalid:
                instructions.append(InstructionRecord(rip: here, firstOperation: firstOperation, length: 1))
                operations.append(MicroOp(.raise, immediate: UInt64(ExceptionVector.invalidOpcode.rawValue)))
                ended = true
            case .tooLong:
                instructions.append(InstructionRecord(rip: here, firstOperation: firstOperation, length: 1))
                operations.append(
                    MicroOp(.raise, immediate: UInt64(ExceptionVector.generalProtection.rawValue) | 0x100))
                ended = true
            case .instruction(let instruction):
                switch liftOne(instruction) {
                case .lifted:
                    instructions.append(
                        InstructionRecord(rip: here, firstOperation: firstOperation, length: instruction.length))
                    offset += instruction.length
                    ended = operations.last?.operation.isTerminator ?? false
                case .needsOwnBlock:
                    operations.append(MicroOp(.jump, immediate: here))
                    ended = true
                case .unsupported:
                    unsupportedBytes = Array(rest.prefix(instruction.length))
                    operations.append(MicroOp(.unsupported))
                    ended = true
                }
            }
        }
        var optimizer = Optimizer(operations: operations, instructions: instructions)
        optimizer.run()
        return Block(
            rip: rip, byteCount: offset, operations: optimizer.operations, instructions: optimizer.instructions,
            unsupportedBytes: unsupportedBytes, slotLimit: Int(nextTemporary), repetition: repetition)
    }

    /// Stemma's long NOP and S2E's opcode.
    private static func hypercall(_ code: UnsafeRawBufferPointer) -> (MicroOp, Int)? {
        if code.count >= 8, code[0] == 0x0F, code[1] == 0x1F, code[2] == 0x84, code[3] == 0, code[6] == 0x4D,
            code[7] == 0x53
        {
            return (MicroOp(.hypercall, immediate: UInt64(code[4]) | UInt64(code[5]) << 8), 8)
        }
        if code.count >= 10, code[0] == 0x0F, code[1] == 0x3F {
            let payload = (0..<8).reduce(UInt64(0)) { $0 | UInt64(code[2 + $1]) << UInt64($1 * 8) }
            return (MicroOp(.s2eOpcode, immediate: payload), 10)
        }
        return nil
    }

    private mutating func liftOne(_ instruction: DecodedInstruction) -> Outcome {
        let mark = (operations.count, nextTemporary)
        commits.removeAll(keepingCapacity: true)
        terminators.removeAll(keepingCapacity: true)
        pendingFlags = nil
        let outcome = lift(instruction)
        guard outcome == .lifted else {
            operations.removeSubrange(mark.0...)
            nextTemporary = mark.1
            return outcome
        }
        flushCommits()
        operations.append(contentsOf: terminators)
        return .lifted
    }

    /// Moves results to their slots, after saving what later operations still need of the old values.
    private mutating func flushCommits() {
        if let pendingFlags { flags = pendingFlags }
        // Flags first, next to what computed them: an interpreter does both at once.
        if let first = commits.firstIndex(where: { !Self.isFlag($0.destination) }),
            commits[first...].contains(where: { Self.isFlag($0.destination) })
        {
            commits = commits.filter { Self.isFlag($0.destination) } + commits.filter { !Self.isFlag($0.destination) }
        }
        preserveFlagSource(commits)
        for index in commits.indices {
            var commit = commits[index]
            // An insert reads its own destination as `a`; that is meant to be the current value.
            let isInsert = commit.operation == .insert
            let source = isInsert ? commit.b : commit.a
            if !source.isTemporary, source != .immediate, Self.writes(commits[..<index], source) {
                if isInsert { commit.b = copy(source) } else { commit.a = copy(source) }
                commits[index] = commit
            }
        }
        operations.append(contentsOf: commits)
        if pendingFlags == nil, commits.contains(where: { Self.isFlag($0.destination) }) {
            flags = .none
        }
    }

    private static func isFlag(_ slot: Slot) -> Bool { (17...23).contains(slot.rawValue) }

    /// True when one of the commits writes `slot`.
    private static func writes(_ commits: ArraySlice<MicroOp>, _ slot: Slot) -> Bool {
        commits.contains { $0.destination == slot || ($0.width == 128 && $0.destination.high == slot) }
    }

    private mutating func preserveFlagSource(_ targets: [MicroOp]) {
        func endangered(_ value: Value) -> Bool {
            if case .slot(let slot) = value, !slot.isTemporary { Self.writes(targets[...], slot) } else { false }
        }
        switch flags {
        case .none: break
        case .subtract(let width, let a, let b):
            var (left, right) = (a, b)
            if endangered(a) { left = .slot(copy(a)) }
            if endangered(b) { right = a == b ? left : .slot(copy(b)) }
            flags = .subtract(width: width, a: left, b: right)
        case .logic(let width, let result):
            if endangered(result) { flags = .logic(width: width, result: .slot(copy(result))) }
        case .result(let width, let result):
            if endangered(result) { flags = .result(width: width, result: .slot(copy(result))) }
        }
    }

    private mutating func copy(_ value: Value) -> Slot {
        switch value {
        case .slot(let slot): copy(slot)
        case .constant(let constant): materialize(.constant(constant))
        }
    }

    private mutating func copy(_ slot: Slot) -> Slot {
        let result = temporary()
        operations.append(MicroOp(.move, destination: result, a: slot))
        return result
    }
}

extension BlockBuilder.Outcome: Equatable {}
