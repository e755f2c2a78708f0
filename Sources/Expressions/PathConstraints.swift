/// What a path knows of its symbolic bytes: the constraints, and one assignment that satisfies them all.
///
/// A value: forking a path copies it. It belongs to the ``PathSolver`` that made it.
package struct PathConstraints: Sendable {
    /// For every symbolic byte the group of constraints that it is in; bytes beyond the end are free.
    var owners: [UInt32] = []
    /// Satisfies every constraint of the path.
    package internal(set) var assignment: Assignment
    /// The last entry of the path's list of constraints in its solver; 0 for none.
    var last: UInt32 = 0
    /// How many constraints there are.
    package internal(set) var count = 0
}

/// Whether a condition can hold on a path.
package enum Satisfaction: Sendable {
    /// It can: the path with the condition added.
    case possible(PathConstraints)
    case impossible
    case unknown(UnknownReason)
}

/// What a branch on a condition can do.
package enum BranchOutcome: Sendable {
    /// The condition is true on every input of the path. No constraint is needed.
    case always(Bool)
    /// Both directions are possible: the path with the condition, and the path with its complement.
    case both(taken: PathConstraints, notTaken: PathConstraints)
    /// One direction is possible; of the other the solver does not know. The path has the constraint.
    case one(Bool, PathConstraints, UnknownReason)
}

/// Counts of how queries were answered, by the first stage that knew.
package struct QueryStatistics: Sendable, Equatable {
    /// Questions asked: can this condition hold on this path?
    package var queries = 0
    /// Answered by the path's own assignment.
    package var byAssignment = 0
    /// Answered because the same slice of constraints was decided before.
    package var byCache = 0
    /// Answered by tabulating all 256 values of the only byte.
    package var byDomain = 0
    /// Answered by an assignment that another query found.
    package var byStoredModel = 0
    /// Passed on to the solver.
    package var bySolver = 0
    /// The solver did not know.
    package var unknown = 0

    package init() {}
}
