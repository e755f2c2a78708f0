import CZ3

/// Z3, linked from the system's library.
///
/// Two solvers share one context. The first is a "simple" (incremental) solver kept as a stack that mirrors the list of
/// assertions: a query pops to the common prefix with the one before and pushes the rest, one scope for each assertion. What
/// it does not decide within ``quickTimeout`` goes to a fresh solver for QF_BV with the rest of the time.
/// Constant tables are asserted index by index, in the scope that first uses them.
package final class Z3Solver: Solver {
    /// What the incremental solver gets before the query goes to the stronger one.
    package let quickTimeout: Duration
    package private(set) var statistics = SolverStatistics()
    package let name: String

    private var context: Z3Context
    private var stack: IncrementalStack
    private var watchdog: Watchdog
    private var wasInterrupted = false
    /// Translations to keep before the context is made anew.
    private let translationLimit: Int

    package init(quickTimeout: Duration = .milliseconds(100), translationLimit: Int = 2_000_000)
        throws(ExpressionsError)
    {
        self.quickTimeout = quickTimeout
        self.translationLimit = translationLimit
        context = try Z3Context()
        name = "Z3 \(context.z3.Z3_get_full_version().map { String(cString: $0) } ?? "")"
        stack = IncrementalStack(context)
        watchdog = Self.watchdog(of: context)
    }

    deinit { watchdog.stop() }

    private static func watchdog(of context: Z3Context) -> Watchdog {
        // Z3_interrupt is the one call that another thread may make; `stop` waits for it before the context goes.
        let address = UInt(bitPattern: context.raw)
        let z3 = Z3Library.loaded
        return Watchdog { try? z3.get().functions.Z3_interrupt(Z3_context(bitPattern: address)) }
    }

    package func check(
        _ assertions: [Term], in arena: ExpressionArena, timeout: Duration, cancellation: Cancellation
    ) throws(ExpressionsError) -> SolverResult {
        let start = ContinuousClock.now
        statistics.queries += 1
        defer { statistics.time += ContinuousClock.now - start }
        if cancellation.isCancelled { return count(.unknown(.cancelled)) }
        let end = start + timeout
        do throws(ExpressionsError) {
            return count(try decide(assertions, in: arena, from: start, until: end, cancellation))
        } catch {
            // What was translated in time stays for the next try.
            if error.code == .outOfTime { return count(.unknown(cancellation.isCancelled ? .cancelled : .timeout)) }
            wasInterrupted = true
            throw error
        }
    }

    /// Makes the context anew after an interrupt: Z3 4.8.12 was seen to keep the flag of an interrupt, to skip work silently in
    /// the next query of the context and to answer wrongly.
    private func prepare(
        until end: ContinuousClock.Instant, _ cancellation: Cancellation
    ) throws(ExpressionsError) {
        if wasInterrupted || context.translationCount > translationLimit { try renew() }
        wasInterrupted = false
        context.deadline = end
        context.cancellation = cancellation
    }

    private func decide(
        _ assertions: [Term], in arena: ExpressionArena, from start: ContinuousClock.Instant,
        until end: ContinuousClock.Instant, _ cancellation: Cancellation
    ) throws(ExpressionsError) -> SolverResult {
        try prepare(until: end, cancellation)
        try stack.assert(assertions, in: arena)
        let result = try guarded(until: min(end, start + quickTimeout), cancellation) { () throws(ExpressionsError) in
            try stack.check(in: arena)
        }
        guard case .unknown = result else { return result }
        if cancellation.isCancelled || ContinuousClock.now >= end { return result }
        statistics.escalations += 1
        try prepare(until: end, cancellation)
        return try freshCheck(assertions, in: arena, until: end, cancellation)
    }

    private func count(_ result: SolverResult) -> SolverResult {
        switch result {
        case .satisfiable: statistics.satisfiable += 1
        case .unsatisfiable: statistics.unsatisfiable += 1
        case .unknown: statistics.unknown += 1
        }
        return result
    }

    /// Runs one check under the watchdog. Only the check is ever interrupted: an interrupt while terms are built or asserted
    /// would lose some of them.
    private func guarded(
        until end: ContinuousClock.Instant, _ cancellation: Cancellation,
        _ check: () throws(ExpressionsError) -> SolverResult
    ) throws(ExpressionsError) -> SolverResult {
        watchdog.arm(timeout: end - .now, cancellation: cancellation)
        let result: Result<SolverResult, ExpressionsError>
        do throws(ExpressionsError) { result = .success(try check()) } catch { result = .failure(error) }
        if watchdog.disarm() {
            // Whatever the interrupted check says, it may have skipped something; and an interrupt that comes when it is over makes an
            // error of the reading of its model.
            wasInterrupted = true
            return .unknown(cancellation.isCancelled ? .cancelled : .timeout)
        }
        return try result.get()
    }

    private func freshCheck(
        _ assertions: [Term], in arena: ExpressionArena, until end: ContinuousClock.Instant,
        _ cancellation: Cancellation
    ) throws(ExpressionsError) -> SolverResult {
        let tables = Set(assertions.flatMap { context.tables(of: $0, in: arena) }).sorted()
        let logic = context.z3.Z3_mk_string_symbol(context.raw, tables.isEmpty ? "QF_BV" : "QF_UFBV")
        let solver = context.z3.Z3_mk_solver_for_logic(context.raw, logic)
        context.z3.Z3_solver_inc_ref(context.raw, solver)
        defer { context.z3.Z3_solver_dec_ref(context.raw, solver) }
        for number in tables {
            for assertion in context.assertions(ofTable: number, in: arena) {
                try context.assert(assertion, to: solver)
            }
        }
        for assertion in assertions { try context.assert(context.truth(assertion, in: arena), to: solver) }
        return try guarded(until: end, cancellation) { () throws(ExpressionsError) in
            try IncrementalStack.outcome(of: solver, context, assertions, arena)
        }
    }

    /// A new context, without translations.
    private func renew() throws(ExpressionsError) {
        watchdog.stop()
        stack.release()
        context = try Z3Context()
        stack = IncrementalStack(context)
        watchdog = Self.watchdog(of: context)
    }
}

/// The incremental solver: one scope for each assertion.
private final class IncrementalStack {
    private let context: Z3Context
    private var solver: Z3_solver?
    private var asserted: [Term] = []
    /// Tables asserted by each scope.
    private var tables: [[UInt32]] = []

    init(_ context: Z3Context) {
        self.context = context
        solver = context.z3.Z3_mk_simple_solver(context.raw)
        context.z3.Z3_solver_inc_ref(context.raw, solver)
    }

    deinit { release() }

    func release() {
        if let solver { context.z3.Z3_solver_dec_ref(context.raw, solver) }
        solver = nil
    }

    /// Makes the stack hold exactly these assertions.
    func assert(_ assertions: [Term], in arena: ExpressionArena) throws(ExpressionsError) {
        var common = 0
        while common < asserted.count && common < assertions.count && asserted[common] == assertions[common] {
            common += 1
        }
        if common < asserted.count {
            context.z3.Z3_solver_pop(context.raw, solver, UInt32(asserted.count - common))
            asserted.removeLast(asserted.count - common)
            tables.removeLast(tables.count - common)
        }
        for assertion in assertions[common...] {
            let term = try context.truth(assertion, in: arena)
            context.z3.Z3_solver_push(context.raw, solver)
            asserted.append(assertion)
            var added: [UInt32] = []
            for number in context.tables(of: assertion, in: arena)
            where !tables.contains(where: { $0.contains(number) }) {
                added.append(number)
                for element in context.assertions(ofTable: number, in: arena) {
                    try context.assert(element, to: solver)
                }
            }
            tables.append(added)
            try context.assert(term, to: solver)
        }
    }

    /// Decides the assertions on the stack.
    func check(in arena: ExpressionArena) throws(ExpressionsError) -> SolverResult {
        try Self.outcome(of: solver, context, asserted, arena)
    }

    /// Runs the solver and reads its answer.
    static func outcome(
        of solver: Z3_solver?, _ context: Z3Context, _ assertions: [Term], _ arena: ExpressionArena
    ) throws(ExpressionsError) -> SolverResult {
        switch context.z3.Z3_solver_check(context.raw, solver) {
        case Z3_L_FALSE: return .unsatisfiable
        case Z3_L_TRUE:
            guard let model = context.z3.Z3_solver_get_model(context.raw, solver) else {
                throw Z3Context.failure(context.errorText ?? "no model")
            }
            context.z3.Z3_model_inc_ref(context.raw, model)
            defer { context.z3.Z3_model_dec_ref(context.raw, model) }
            return .satisfiable(values(in: model, context, assertions, arena))
        default:
            let reason = context.z3.Z3_solver_get_reason_unknown(context.raw, solver)
            // An interrupt may show as an error as well.
            let text = context.errorText ?? reason.map { String(cString: $0) } ?? "no reason given"
            return .unknown(.solver(text))
        }
    }

    private static func values(
        in model: Z3_model, _ context: Z3Context, _ assertions: [Term], _ arena: ExpressionArena
    ) -> ByteValues {
        var set: UInt32 = 0
        for assertion in assertions { set = arena.sets.union(set, arena.node(assertion).dependencies) }
        var entries: [ByteValues.Entry] = []
        arena.sets.forEachByte(set) { byte in
            var value: UInt64 = 0
            // A byte that the formula does not constrain has no interpretation: any value does.
            if let constant = context.symbolConstant(byte),
                let declaration = context.z3.Z3_get_app_decl(context.raw, context.z3.Z3_to_app(context.raw, constant)),
                let term = context.z3.Z3_model_get_const_interp(context.raw, model, declaration)
            {
                _ = context.z3.Z3_get_numeral_uint64(context.raw, term, &value)
            }
            entries.append(ByteValues.Entry(byte: byte, value: UInt8(truncatingIfNeeded: value)))
        }
        return ByteValues(entries: entries)
    }
}
