import Expressions
import Foundation

/// What an exploration came to.
package struct ExplorationReport: Sendable {
    /// One for each path, in the order in which they ended; unfinished ones last.
    package var testCases: [TestCase] = []
    package var statistics = ExplorationStatistics()
    /// Why the exploration stopped before every path had ended; nil when it is complete.
    package var stopped: UnfinishedReason?

    /// The report without its test cases as JSON, with sorted keys.
    package func json() throws -> Data {
        struct Summary: Codable {
            let complete: Bool
            let stopped: String?
            let statistics: ExplorationStatistics
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(
            Summary(complete: stopped == nil, stopped: stopped?.rawValue, statistics: statistics))
    }
}

/// Counts of an exploration. Times are in seconds.
package struct ExplorationStatistics: Sendable, Equatable, Codable {
    /// Paths that came to an end of their own.
    package var completedPaths = 0
    /// Paths that ended because of something that the engine lacks.
    package var failedPaths = 0
    /// Paths that were stopped.
    package var unfinishedPaths = 0
    /// States that wait or run now.
    package var liveStates = 0
    package var forks = 0
    package var concreteInstructions: UInt64 = 0
    package var symbolicInstructions: UInt64 = 0
    /// Branches on a symbolic condition.
    package var symbolicBranches = 0
    /// Loads at a symbolic address that became tables.
    package var tableLoads = 0
    /// Values made concrete by a constraint.
    package var concretisations = 0
    /// Directions or values given up because of the solver or a limit: with 0 the exploration covers every input.
    package var abandoned = 0

    /// Questions to the path solver, and the stages that answered them.
    package var queries = 0
    package var queriesByAssignment = 0
    package var queriesByCache = 0
    package var queriesByDomain = 0
    package var queriesByStoredModel = 0
    package var queriesBySolver = 0
    /// Queries that the solver did not decide.
    package var queriesUndecided = 0
    package var solverEscalations = 0
    package var solverSeconds = 0.0
    package var solver = ""

    /// Nodes in the expression arena, and the bytes they take.
    package var expressionNodes = 0
    package var expressionBytes = 0
    package var symbolicBytes = 0
    package var searcher = ""
    package var seconds = 0.0

    package init() {}

    /// Paths that ended in any way, per second.
    package var pathsPerSecond: Double {
        seconds > 0 ? Double(completedPaths + failedPaths + unfinishedPaths) / seconds : 0
    }
}
