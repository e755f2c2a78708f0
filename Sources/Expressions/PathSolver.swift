/// The front end of a worker's solver: slices, caches, and keeps a satisfying assignment for every path.
///
/// The stages, each exact: the path's own assignment; independence (only the constraints that share symbolic bytes with the
/// condition, directly or through others, form the query); the result of the same slice, remembered; tabulation of a slice over
/// one byte; assignments found for earlier queries; the solver. Every assignment that a solver returns is checked by
/// evaluation before it is used.
package final class PathSolver {
    package let arena: ExpressionArena
    package let solver: any Solver
    /// For each query.
    package let timeout: Duration
    package let cancellation: Cancellation
    package private(set) var statistics = QueryStatistics()

    private var groups = ConstraintGroups()
    /// Constraints of all paths, as lists that share their beginnings: an entry is (the entry before, constraint).
    private var chain: [(previous: UInt32, constraint: Term)] = [(0, .none)]
    private var models = StoredModels()
    private var domains: [Term: ByteDomain?] = [:]

    package init(
        arena: ExpressionArena, solver: any Solver, timeout: Duration = .seconds(10),
        cancellation: Cancellation = Cancellation()
    ) {
        self.arena = arena
        self.solver = solver
        self.timeout = timeout
        self.cancellation = cancellation
    }

    /// A path without constraints, whose assignment gives 0 to every byte.
    package func emptyPath() -> PathConstraints { PathConstraints(assignment: arena.assignment([])) }

    /// The constraints of a path, oldest first.
    package func constraints(of path: PathConstraints) -> [Term] {
        var result: [Term] = []
        var entry = path.last
        while entry != 0 {
            result.append(chain[Int(entry)].constraint)
            entry = chain[Int(entry)].previous
        }
        result.reverse()
        return result
    }

    /// The value of an expression under the path's assignment.
    package func example(_ expression: Term, on path: PathConstraints) -> UInt64 {
        arena.evaluate(expression, path.assignment)
    }

    /// The path with other example values for bytes that no constraint of it mentions.
    package func path(_ path: PathConstraints, withFree values: ByteValues) -> PathConstraints {
        for entry in values.entries {
            precondition(
                Int(entry.byte) >= path.owners.count || path.owners[Int(entry.byte)] == 0,
                "an example for a byte that is constrained")
        }
        var result = path
        result.assignment = arena.assignment(path.assignment, replacing: values)
        return result
    }

    // MARK: Questions

    /// Whether the 1-bit `condition` can hold on the path.
    package func satisfy(
        _ condition: Term, on path: PathConstraints
    ) throws(ExpressionsError) -> Satisfaction {
        statistics.queries += 1
        if arena.evaluate(condition, path.assignment) == 1 {
            statistics.byAssignment += 1
            return .possible(adding(condition, to: path))
        }
        if arena.constantValue(condition) != nil { return .impossible }
        return try search(condition, on: path)
    }

    /// What a branch on the 1-bit `condition` can do on the path. One direction is known by the path's assignment.
    package func branch(
        on condition: Term, of path: PathConstraints
    ) throws(ExpressionsError) -> BranchOutcome {
        if let value = arena.constantValue(condition) { return .always(value == 1) }
        if let known = recentAnswer(condition, on: path) { return .always(known) }
        statistics.queries += 2
        statistics.byAssignment += 1
        let direction = arena.evaluate(condition, path.assignment) == 1
        let negated = arena.not(condition)
        switch try search(direction ? negated : condition, on: path) {
        case .impossible: return .always(direction)
        case .possible(let other):
            let known = adding(direction ? condition : negated, to: path)
            return direction ? .both(taken: known, notTaken: other) : .both(taken: other, notTaken: known)
        case .unknown(let reason):
            return .one(direction, adding(direction ? condition : negated, to: path), reason)
        }
    }

    /// Feasible values of an expression, at most `limit`, the path's own first; `isComplete` when there are no others.
    package func values(
        of expression: Term, on path: PathConstraints, limit: Int
    ) throws(ExpressionsError) -> (values: [(value: UInt64, path: PathConstraints)], isComplete: Bool) {
        var result: [(value: UInt64, path: PathConstraints)] = []
        var rest = path
        while result.count < limit {
            let value = arena.evaluate(expression, rest.assignment)
            let same = arena.equals(expression, value)
            switch try branch(on: same, of: rest) {
            case .both(let taken, let notTaken):
                // The value's own path must not carry "not the values before": equality implies it.
                result.append((value, adding(same, to: path, under: taken.assignment)))
                rest = notTaken
            case .always:
                // No other value is left.
                result.append((value, result.isEmpty ? path : adding(same, to: path, under: rest.assignment)))
                return (result, true)
            case .one:
                result.append((value, adding(same, to: path, under: rest.assignment)))
                return (result, false)
            }
        }
        return (result, false)
    }

    /// The answer when the condition or its complement is one of the path's newest constraints.
    private func recentAnswer(_ condition: Term, on path: PathConstraints) -> Bool? {
        let negated = arena.not(condition)
        var entry = path.last
        for _ in 0..<4 where entry != 0 {
            let constraint = chain[Int(entry)].constraint
            if constraint == condition { return true }
            if constraint == negated { return false }
            entry = chain[Int(entry)].previous
        }
        return nil
    }

    /// The path with a constraint that its assignment is known to satisfy.
    package func adding(_ constraint: Term, to path: PathConstraints) -> PathConstraints {
        adding(constraint, to: path, under: path.assignment)
    }

    // MARK: Search

    private func search(
        _ condition: Term, on path: PathConstraints
    ) throws(ExpressionsError) -> Satisfaction {
        let slice = groups.extended(slice(of: arena.node(condition).dependencies, on: path), by: condition, arena)
        switch groups[slice].status {
        case .satisfiable(let values):
            statistics.byCache += 1
            return possible(condition, values, on: path)
        case .unsatisfiable:
            statistics.byCache += 1
            return .impossible
        case .open: break
        }
        if let byte = arena.sets.onlyByte(groups[slice].dependencies), let domain = domain(of: slice) {
            statistics.byDomain += 1
            guard let value = domain.first else { return impossible(slice) }
            let values = ByteValues(entries: [ByteValues.Entry(byte: byte, value: value)])
            groups.setStatus(.satisfiable(values), of: slice)
            return possible(condition, values, on: path)
        }
        let constraints = groups.constraints(of: slice)
        if let model = models.find(satisfying: constraints, in: arena) {
            statistics.byStoredModel += 1
            return possible(condition, keep(model, for: slice), on: path)
        }
        statistics.bySolver += 1
        let result = try solver.check(constraints, in: arena, timeout: timeout, cancellation: cancellation)
        switch result {
        case .unsatisfiable: return impossible(slice)
        case .unknown(let reason):
            statistics.unknown += 1
            return .unknown(reason)
        case .satisfiable(let values):
            let assignment = arena.assignment(path.assignment, replacing: values)
            for constraint in constraints where arena.evaluate(constraint, assignment) != 1 {
                throw ExpressionsError(
                    code: .solverFailed,
                    message: "\(solver.name) gave an assignment that does not satisfy the query; "
                        + "use another version of the solver and report the defect")
            }
            models.add(assignment)
            groups.setStatus(.satisfiable(values), of: slice)
            return .possible(adding(condition, to: path, under: assignment))
        }
    }

    private func impossible(_ slice: GroupNumber) -> Satisfaction {
        groups.setStatus(.unsatisfiable, of: slice)
        return .impossible
    }

    private func possible(
        _ condition: Term, _ values: ByteValues, on path: PathConstraints
    ) -> Satisfaction {
        .possible(adding(condition, to: path, under: arena.assignment(path.assignment, replacing: values)))
    }

    /// Remembers what a stored model says of a slice.
    private func keep(_ model: Assignment, for slice: GroupNumber) -> ByteValues {
        var entries: [ByteValues.Entry] = []
        arena.sets.forEachByte(groups[slice].dependencies) {
            entries.append(ByteValues.Entry(byte: $0, value: model.value(of: $0)))
        }
        let values = ByteValues(entries: entries)
        groups.setStatus(.satisfiable(values), of: slice)
        return values
    }

    /// The union of the groups that own a byte of the set.
    private func slice(of set: UInt32, on path: PathConstraints) -> GroupNumber {
        var result: GroupNumber = 0
        var found: [GroupNumber] = []
        arena.sets.forEachByte(set) { byte in
            guard Int(byte) < path.owners.count else { return }
            let owner = path.owners[Int(byte)]
            if owner != 0 && !found.contains(owner) { found.append(owner) }
        }
        for group in found.sorted() { result = groups.merged(result, group, arena) }
        return result
    }

    /// The allowed values of a group that depends on one byte.
    private func domain(of number: GroupNumber) -> ByteDomain? {
        // Walks to the nearest ancestor whose domain is known; such a group has no unions below it.
        var pending: [GroupNumber] = []
        var result = ByteDomain.full
        var current = number
        while current != 0 {
            if let known = groups[current].domain {
                result = known
                break
            }
            pending.append(current)
            current = groups[current].first
        }
        for number in pending.reversed() {
            guard let next = constraintDomain(groups[number].constraint) else { return nil }
            result = result.intersection(next)
            groups.setDomain(result, of: number)
        }
        return result
    }

    private func constraintDomain(_ constraint: Term) -> ByteDomain? {
        if let known = domains[constraint] { return known }
        let domain = arena.domain(of: constraint)
        domains[constraint] = .some(domain)
        return domain
    }

    // MARK: Adding

    private func adding(
        _ constraint: Term, to path: PathConstraints, under assignment: Assignment
    ) -> PathConstraints {
        var result = path
        result.assignment = assignment
        // Both sides of a conjunction hold: apart they may belong to different slices.
        var pending = [constraint]
        while let next = pending.popLast() {
            let node = arena.node(next)
            if node.operation == .and {
                pending.append(Term(handle: node.b))
                pending.append(Term(handle: node.a))
                continue
            }
            if node.operation == .constant { continue }
            let group = groups.extended(slice(of: node.dependencies, on: result), by: next, arena)
            let set = groups[group].dependencies
            arena.sets.forEachByte(set) { byte in
                if Int(byte) >= result.owners.count {
                    result.owners.append(contentsOf: repeatElement(0, count: Int(byte) + 1 - result.owners.count))
                }
                result.owners[Int(byte)] = group
            }
            chain.append((result.last, next))
            result.last = UInt32(chain.count - 1)
            result.count += 1
        }
        return result
    }
}

/// Assignments that recent queries found, tried on new queries before the solver is.
private struct StoredModels {
    private var models: [Assignment] = []
    private var tries = 0
    private var hits = 0
    private let capacity = 8

    mutating func add(_ model: Assignment) {
        if models.count == capacity { models.removeFirst() }
        models.append(model)
    }

    /// A stored assignment under which all constraints are true. The condition, the newest, is tried first.
    mutating func find(satisfying constraints: [Term], in arena: ExpressionArena) -> Assignment? {
        tries += 1
        // Where they hardly ever help they are tried rarely.
        if tries > 256 && hits < tries / 64 && tries % 16 != 0 { return nil }
        for (index, model) in models.enumerated().reversed() {
            guard constraints.reversed().allSatisfy({ arena.evaluate($0, model) == 1 }) else { continue }
            hits += 1
            models.append(models.remove(at: index))
            return model
        }
        return nil
    }
}
