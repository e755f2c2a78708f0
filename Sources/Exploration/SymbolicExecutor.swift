import Expressions
import Machine
import X86

/// Why the execution of a block stopped before its end.
package enum Interruption: Error {
    /// Deliver to the guest; the instruction is not retired (software interrupts excepted).
    case exception(GuestException)
    /// The path ends before the instruction.
    case end(PathEnd)
    /// The solver failed: the exploration ends.
    case failed(ExpressionsError)
    /// Execute the instruction again, in a block of its own.
    case again
}

/// What a turn of a state came to.
enum TurnResult {
    /// It goes on.
    case running
    case ended(PathEnd)
}

/// Executes states: on the machine's fast path while nothing symbolic is at hand, else micro-operation by micro-operation.
///
/// One executor serves one worker: it owns the arena and the solver, and its states belong to it.
package final class SymbolicExecutor {
    package let arena: ExpressionArena
    let solver: PathSolver
    let limits: ExplorationLimits
    /// States that the current turn forked, oldest first.
    var forked: [ExecutionState] = []
    var statistics = ExecutionStatistics()
    /// How many more states may wait.
    var room = Int.max
    /// States forked while there was no room.
    var surplus: [ExecutionState] = []
    weak var observer: (any ExplorationObserver)?

    /// How many instructions of the block under way are before the current one.
    var retiredInBlock = 0

    private var nextID = 0
    /// Branches of all paths, as lists that share their beginnings: (entry before, address, direction).
    private var branches: [(previous: UInt32, branch: BranchRecord)] = [(0, BranchRecord(address: 0, taken: false))]
    /// Symbolic buffers by name, size and occurrence, so that the same input of two paths has the same symbols.
    private var buffers: [BufferKey: SymbolBuffer] = [:]

    struct BufferKey: Hashable {
        let name: String
        let count: Int
        let occurrence: Int
    }

    package init(solver: PathSolver, limits: ExplorationLimits) {
        arena = solver.arena
        self.solver = solver
        self.limits = limits
    }

    // MARK: States

    /// The first state, on a fork of the machine.
    package func makeRoot(_ machine: Machine) -> ExecutionState {
        defer { nextID += 1 }
        return ExecutionState(id: nextID, machine: machine.fork(), path: solver.emptyPath())
    }

    /// Forks a state that goes on with `path`; the state itself is unchanged.
    @discardableResult
    func fork(_ state: ExecutionState, path: PathConstraints) -> ExecutionState {
        let child = state.fork(id: nextID)
        nextID += 1
        child.path = path
        statistics.forks += 1
        if room > 0 {
            room -= 1
            forked.append(child)
        } else {
            surplus.append(child)
        }
        observer?.stateForked(parent: state, child: child)
        return child
    }

    func buffer(_ key: BufferKey) -> SymbolBuffer {
        if let known = buffers[key] { return known }
        let buffer = arena.makeBuffer(name: key.name, count: key.count)
        buffers[key] = buffer
        return buffer
    }

    func record(_ branch: BranchRecord, _ state: ExecutionState) {
        branches.append((state.lastBranch, branch))
        state.lastBranch = UInt32(branches.count - 1)
        state.branchCount += 1
    }

    /// The branches of a path, first one first.
    func branches(of state: ExecutionState) -> [BranchRecord] {
        var result: [BranchRecord] = []
        var entry = state.lastBranch
        while entry != 0 {
            result.append(branches[Int(entry)].branch)
            entry = branches[Int(entry)].previous
        }
        result.reverse()
        return result
    }

    // MARK: Turns

    /// Executes a state until it ends, forks or has executed about `budget` instructions.
    func turn(_ state: ExecutionState, budget: UInt64) throws(ExpressionsError) -> TurnResult {
        let end = state.machine.retiredInstructions &+ budget
        let forksBefore = statistics.forks
        while state.machine.retiredInstructions < end {
            if solver.cancellation.isCancelled { return .running }
            if state.hasSymbolicSlots {
                if case .ended(let reason) = try symbolicBlock(state) { return .ended(reason) }
            } else if case .ended(let reason) = try concreteRun(state, until: end) {
                return .ended(reason)
            }
            if statistics.forks != forksBefore { return .running }
        }
        return .running
    }

    /// Runs the machine on its own until something needs the symbolic interpreter.
    private func concreteRun(_ state: ExecutionState, until end: UInt64) throws(ExpressionsError) -> TurnResult {
        let machine = state.machine
        let before = machine.retiredInstructions
        let exit = machine.run(budget: end - before)
        statistics.concreteInstructions += machine.retiredInstructions - before
        switch exit {
        case .budget: return .running
        case .watchedAccess:
            return try symbolicBlock(state)
        case .hypercall(let number):
            return try interrupted(state) { () throws(Interruption) in try hypercall(number, state) }
        default: return .ended(Self.end(exit, state))
        }
    }

    /// What a machine's exit means for the path.
    static func end(_ exit: Exit, _ state: ExecutionState) -> PathEnd { end(exit, at: state.instructionPointer) }

    static func end(_ exit: Exit, at address: UInt64) -> PathEnd {
        switch exit {
        case .halted, .idle: return .halted
        case .tripleFault: return .tripleFault
        case .shutdown(let reason): return .shutdown(reason)
        case .unsupported(let address, let bytes): return .unsupported(address: address, bytes: bytes)
        case .unsupportedMode(let address, let reason): return .unsupportedMode(address: address, reason: reason)
        case .unmapped(let access): return .unmapped(address: access.physicalAddress)
        case .memoryFailure(let error): return .memoryFailure(error.description)
        case .s2eOpcode(let payload):
            let bytes = [0x0F, 0x3F] + withUnsafeBytes(of: payload.littleEndian) { Array($0) }
            return .unsupported(address: address &- UInt64(bytes.count), bytes: bytes)
        case .hypercall, .budget, .watchedAccess:
            return .unsupportedMode(
                address: address, reason: "the engine stopped here for \(exit); please report this as a defect")
        }
    }

    /// Runs `body`; delivers the exception that it ends with.
    func interrupted(
        _ state: ExecutionState, _ body: () throws(Interruption) -> Void
    ) throws(ExpressionsError) -> TurnResult {
        do throws(Interruption) {
            try body()
            return .running
        } catch {
            switch error {
            case .end(let reason): return .ended(reason)
            case .failed(let error): throw error
            case .again: return .running
            case .exception(let exception):
                return try interrupted(state) { () throws(Interruption) in try deliver(exception, state) }
            }
        }
    }

    /// Executes one block symbolically.
    private func symbolicBlock(_ state: ExecutionState) throws(ExpressionsError) -> TurnResult {
        try interrupted(state) { () throws(Interruption) in
            let block: Block
            do throws(AccessFailure) {
                block = try state.machine.block(at: state.instructionPointer).block
            } catch {
                throw interruption(error, state)
            }
            let before = state.machine.retiredInstructions
            defer {
                let count = state.machine.retiredInstructions &- before
                statistics.symbolicInstructions += count
                state.symbolicInstructions += count
            }
            try execute(block, state)
        }
    }

    func interruption(_ failure: AccessFailure, _ state: ExecutionState) -> Interruption {
        switch failure {
        case .exception(let exception): .exception(exception)
        case .exit(let exit): .end(Self.end(exit, state))
        case .codeWrite: .again
        }
    }

    /// Asks the solver, whose failure ends the exploration.
    func ask<T>(_ question: () throws(ExpressionsError) -> T) throws(Interruption) -> T {
        do throws(ExpressionsError) {
            return try question()
        } catch {
            throw .failed(error)
        }
    }
}

/// A symbolic branch that a path passed.
package struct BranchRecord: Sendable, Equatable {
    /// Virtual address of the instruction.
    package let address: UInt64
    package let taken: Bool
}

/// Counts of the executor's work.
package struct ExecutionStatistics: Sendable, Equatable {
    package var forks = 0
    /// Instructions executed by the machine's fast path, by all paths together.
    package var concreteInstructions: UInt64 = 0
    /// Instructions executed by the symbolic interpreter.
    package var symbolicInstructions: UInt64 = 0
    /// Branches on a symbolic condition, whether or not both directions were feasible.
    package var symbolicBranches = 0
    /// Loads at a symbolic address that became tables.
    package var tableLoads = 0
    /// Values made concrete by a constraint.
    package var concretisations = 0
    /// Directions or values that were given up because the solver did not know or a limit was reached.
    package var abandoned = 0

    package init() {}
}
