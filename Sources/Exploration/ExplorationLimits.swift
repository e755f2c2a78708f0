/// Where an exploration stops, and how far the engine goes for single values.
package struct ExplorationLimits: Sendable {
    /// Ended paths.
    package var maximumPaths = Int.max
    /// Instructions on one path.
    package var maximumInstructions = UInt64.max
    /// Wall-clock time of the run.
    package var maximumTime: Duration?
    /// States that wait at the same time; what is forked beyond it is reported as unfinished.
    package var maximumStates = 100_000
    /// When more states than this wait, their machines are parked: they take less memory, and a moment longer to go on.
    package var maximumUnparkedStates = 512
    /// For one query.
    package var solverTimeout: Duration = .seconds(10)

    /// Feasible values that a symbolic address or jump target is forked over.
    package var maximumValues = 64
    /// Windows of a symbolic address at one instruction.
    package var maximumWindows = 8
    /// Elements of a constant table that a symbolic load makes.
    package var maximumTableElements = 4096
    /// Symbolic elements of such a range.
    package var maximumChoices = 256
    /// Places of a symbolic store that become choices.
    package var maximumStorePlaces = 32
    /// Instructions that a state executes before another one may have its turn.
    package var turnInstructions: UInt64 = 1_000_000

    package init() {}
}
