import Synchronization

/// Decides whether a list of 1-bit expressions can all be true at once.
///
/// Solvers differ in speed only: an answer is exact, and "don't know" is an answer of its own. A solver belongs to one
/// worker, like the arena; only its ``Cancellation`` may be used from elsewhere.
package protocol Solver: AnyObject {
    /// For reports, e.g. "Z3 4.8.12".
    var name: String { get }

    /// Decides the conjunction of `assertions`.
    ///
    /// Callers pass the assertions in the order of the path, so that a solver may keep what it has of a common prefix.
    /// The answer comes within `timeout` (and a little), or soon after the cancellation.
    func check(
        _ assertions: [Term], in arena: ExpressionArena, timeout: Duration, cancellation: Cancellation
    ) throws(ExpressionsError) -> SolverResult

    /// What the solver did so far.
    var statistics: SolverStatistics { get }
}

/// The answer to a query.
package enum SolverResult: Sendable, Equatable {
    /// True for these bytes (those that the assertions depend on).
    case satisfiable(ByteValues)
    case unsatisfiable
    case unknown(UnknownReason)
}

/// Why a solver does not know.
package enum UnknownReason: Sendable, Hashable, CustomStringConvertible {
    /// The time given for the query is over.
    case timeout
    /// The run was cancelled.
    case cancelled
    /// The solver gave up, in its own words.
    case solver(String)

    package var description: String {
        switch self {
        case .timeout: "the solver's time-out"
        case .cancelled: "cancelled"
        case .solver(let words): "the solver gave up: \(words)"
        }
    }
}

/// A flag that any thread may set and that workers and solvers look at often.
package final class Cancellation: Sendable {
    private let flag = Atomic<Bool>(false)

    package init() {}

    /// Asks everything that has this flag to come to an end.
    package func cancel() { flag.store(true, ordering: .releasing) }

    /// Whether ``cancel()`` was called.
    package var isCancelled: Bool { flag.load(ordering: .acquiring) }
}

/// Counts of a solver's work.
package struct SolverStatistics: Sendable, Equatable {
    /// Calls of `check`.
    package var queries = 0
    package var satisfiable = 0
    package var unsatisfiable = 0
    package var unknown = 0
    /// Queries that went to the second, stronger solver.
    package var escalations = 0
    /// Time spent in `check`.
    package var time: Duration = .zero

    package init() {}
}

/// What went wrong in the expression library or a solver.
package struct ExpressionsError: Error, Sendable, CustomStringConvertible {
    /// The kind of failure.
    package enum Code: String, Sendable {
        /// The solver library could not be set up.
        case solverUnavailable
        /// The solver library reported an error.
        case solverFailed
        /// Used inside: the time of a query is over.
        case outOfTime
    }

    package let code: Code
    /// What happened and what to do.
    package let message: String
    /// The library's words.
    package let cause: String?

    package init(code: Code, message: String, cause: String? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    package var description: String { cause.map { "\(message) (\($0))" } ?? message }
}
