import Expressions
import Machine

/// Explores every path of a machine that its symbolic inputs allow.
///
/// The machine is not changed: the exploration works on a fork. One explorer is one worker, on the thread that calls ``run(observer:)``;
/// only its cancellation may be used from other threads.
package final class Explorer {
    private let machine: Machine
    private let limits: ExplorationLimits
    private let cancellation: Cancellation
    private var searcher: any Searcher
    private let executor: SymbolicExecutor
    private var report = ExplorationReport()
    /// Had the last turn and goes on some time.
    private var waiting: ExecutionState?
    private let started = ContinuousClock.now
    private weak var observer: (any ExplorationObserver)?
    private let firstInstruction: UInt64
    private let keepsTestCases: Bool

    /// An exploration of `machine` from where it stands.
    ///
    /// - Parameters:
    ///   - searcher: chooses among the states.
    ///   - solver: Z3 when none is given.
    ///   - cancellation: ends the run soon after it is cancelled; states left are reported as unfinished.
    ///   - keepsTestCases: off when an observer takes them, to save memory.
    package init(
        machine: Machine, searcher: any Searcher = DepthFirstSearcher(),
        limits: ExplorationLimits = ExplorationLimits(), solver: (any Solver)? = nil,
        cancellation: Cancellation = Cancellation(), keepsTestCases: Bool = true
    ) throws(ExpressionsError) {
        self.machine = machine
        self.limits = limits
        self.cancellation = cancellation
        self.searcher = searcher
        self.keepsTestCases = keepsTestCases
        firstInstruction = machine.retiredInstructions
        let backend: any Solver
        if let solver { backend = solver } else { backend = try Z3Solver() }
        let front = PathSolver(
            arena: ExpressionArena(capacity: 1 << 16), solver: backend, timeout: limits.solverTimeout,
            cancellation: cancellation)
        executor = SymbolicExecutor(solver: front, limits: limits)
    }

    /// Runs to the end, a limit or the cancellation.
    package func run(observer: (any ExplorationObserver)? = nil) throws(ExpressionsError) -> ExplorationReport {
        self.observer = observer
        executor.observer = observer
        searcher.insert(executor.makeRoot(machine))
        var nextProgress = ContinuousClock.now + .milliseconds(250)
        while let state = nextState() {
            if let reason = reasonToStop {
                stop(state, reason)
                break
            }
            let used = state.instructions - firstInstruction
            guard used < limits.maximumInstructions else {
                end(state, .unfinished(.instructionLimit))
                continue
            }
            executor.room = max(0, limits.maximumStates - searcher.count - 1)
            let result = try executor.turn(
                state, budget: min(limits.turnInstructions, limits.maximumInstructions - used))
            for child in executor.forked { searcher.insert(child) }
            executor.forked.removeAll(keepingCapacity: true)
            for child in executor.surplus { end(child, .unfinished(.stateLimit)) }
            executor.surplus.removeAll()
            switch result {
            case .running:
                searcher.insert(state)
                waiting = state
            case .ended(let reason): end(state, reason)
            }
            if ContinuousClock.now >= nextProgress {
                nextProgress = ContinuousClock.now + .milliseconds(250)
                observer?.progress(statistics())
            }
        }
        report.statistics = statistics()
        return report
    }

    /// The state whose turn it is. The one before is parked, if it has to wait and many do.
    private func nextState() -> ExecutionState? {
        let state = searcher.next()
        if let waiting, waiting !== state, searcher.count > limits.maximumUnparkedStates { waiting.machine.park() }
        waiting = nil
        state?.machine.unpark()
        return state
    }

    private var reasonToStop: UnfinishedReason? {
        if cancellation.isCancelled { return .cancelled }
        if let time = limits.maximumTime, ContinuousClock.now - started >= time { return .timeLimit }
        let ended = report.statistics.completedPaths + report.statistics.failedPaths
        return ended >= limits.maximumPaths ? .pathLimit : nil
    }

    /// Ends all states that are left.
    private func stop(_ current: ExecutionState, _ reason: UnfinishedReason) {
        report.stopped = reason
        end(current, .unfinished(reason))
        while let state = nextState() { end(state, .unfinished(reason)) }
    }

    private func end(_ state: ExecutionState, _ reason: PathEnd) {
        switch reason {
        case .unfinished(let why):
            report.statistics.unfinishedPaths += 1
            if report.stopped == nil { report.stopped = why }
        default:
            if reason.isComplete {
                report.statistics.completedPaths += 1
            } else {
                report.statistics.failedPaths += 1
            }
        }
        let testCase = executor.testCase(state, reason, since: firstInstruction)
        if keepsTestCases { report.testCases.append(testCase) }
        observer?.pathEnded(testCase)
    }

    private func statistics() -> ExplorationStatistics {
        var result = report.statistics
        result.liveStates = searcher.count
        let execution = executor.statistics
        result.forks = execution.forks
        result.concreteInstructions = execution.concreteInstructions
        result.symbolicInstructions = execution.symbolicInstructions
        result.symbolicBranches = execution.symbolicBranches
        result.tableLoads = execution.tableLoads
        result.concretisations = execution.concretisations
        result.abandoned = execution.abandoned
        let queries = executor.solver.statistics
        result.queries = queries.queries
        result.queriesByAssignment = queries.byAssignment
        result.queriesByCache = queries.byCache
        result.queriesByDomain = queries.byDomain
        result.queriesByStoredModel = queries.byStoredModel
        result.queriesBySolver = queries.bySolver
        result.queriesUndecided = queries.unknown
        let solver = executor.solver.solver
        result.solverEscalations = solver.statistics.escalations
        result.solverSeconds = solver.statistics.time / .seconds(1)
        result.solver = solver.name
        result.expressionNodes = executor.arena.nodeCount
        result.expressionBytes = executor.arena.byteCount
        result.symbolicBytes = executor.arena.symbolCount
        result.searcher = searcher.name
        result.seconds = (ContinuousClock.now - started) / .seconds(1)
        return result
    }
}
