import Expressions
import Testing

/// Stands in for a solver and fails the test when it is asked.
private final class NoSolver: Solver {
    let name = "none"
    let statistics = SolverStatistics()

    func check(
        _ assertions: [Term], in arena: ExpressionArena, timeout: Duration, cancellation: Cancellation
    ) throws(ExpressionsError) -> SolverResult {
        Issue.record("a query reached the solver: \(assertions.map { arena.describe($0) })")
        return .unknown(.solver("none"))
    }
}

/// Answers that it does not know.
private final class IgnorantSolver: Solver {
    let name = "ignorant"
    let statistics = SolverStatistics()

    func check(
        _ assertions: [Term], in arena: ExpressionArena, timeout: Duration, cancellation: Cancellation
    ) throws(ExpressionsError) -> SolverResult { .unknown(.timeout) }
}

/// Answers wrongly.
private final class LyingSolver: Solver {
    let name = "liar"
    let statistics = SolverStatistics()

    func check(
        _ assertions: [Term], in arena: ExpressionArena, timeout: Duration, cancellation: Cancellation
    ) throws(ExpressionsError) -> SolverResult { .satisfiable(ByteValues(entries: [.init(byte: 0, value: 0)])) }
}

@Suite("Path solver")
struct PathSolverTests {
    private func satisfied(_ solver: PathSolver, _ path: PathConstraints) -> Bool {
        solver.constraints(of: path).allSatisfy { solver.example($0, on: path) == 1 }
    }

    @Test("branches on one byte need no solver, and all 2^8 paths are distinct")
    func independentBytes() throws {
        let arena = ExpressionArena()
        _ = arena.makeBuffer(name: "in", count: 8)
        let solver = PathSolver(arena: arena, solver: NoSolver())
        var paths = [solver.emptyPath()]
        for byte in 0..<8 {
            let condition = arena.make(
                .lessUnsigned, arena.constant(UInt64(0x40 + byte), width: 8), arena.symbol(UInt32(byte)))
            var next: [PathConstraints] = []
            for path in paths {
                guard case .both(let taken, let notTaken) = try solver.branch(on: condition, of: path) else {
                    Issue.record("both directions are possible")
                    return
                }
                next += [taken, notTaken]
            }
            paths = next
        }
        #expect(paths.count == 256)
        #expect(paths.allSatisfy { satisfied(solver, $0) })
        #expect(
            Set(paths.map { path in (0..<8).map { path.assignment.value(of: $0) > 0x40 + UInt8($0) } }).count == 256)
        #expect(solver.statistics.byDomain == 8)
        #expect(solver.statistics.byCache == 255 - 8)
    }

    @Test("a condition that the path implies adds nothing")
    func implied() throws {
        let arena = ExpressionArena()
        _ = arena.makeBuffer(name: "in", count: 2)
        let solver = PathSolver(arena: arena, solver: NoSolver())
        let x = arena.symbol(0)
        guard
            case .possible(let path) = try solver.satisfy(
                arena.make(.lessUnsigned, x, arena.constant(10, width: 8)), on: solver.emptyPath())
        else {
            Issue.record("possible")
            return
        }
        guard
            case .always(true) = try solver.branch(
                on: arena.make(.lessUnsigned, x, arena.constant(20, width: 8)), of: path),
            case .always(false) = try solver.branch(on: arena.equals(x, 200), of: path),
            case .impossible = try solver.satisfy(arena.equals(x, 200), on: path)
        else {
            Issue.record("implied")
            return
        }
        let values = try solver.values(of: x, on: path, limit: 50)
        #expect(values.isComplete)
        #expect(values.values.map(\.value).sorted() == Array(0..<10))
        for (value, path) in values.values {
            #expect(solver.example(x, on: path) == value)
            #expect(satisfied(solver, path))
        }
        #expect(try solver.values(of: x, on: path, limit: 4).isComplete == false)
    }

    @Test("slices over several bytes go to the solver once")
    func multipleBytes() throws {
        let arena = ExpressionArena()
        _ = arena.makeBuffer(name: "in", count: 6)
        let z3 = try Z3Solver()
        let solver = PathSolver(arena: arena, solver: z3)
        func pair(_ index: UInt32) -> Term { arena.concat(arena.symbol(index + 1), arena.symbol(index)) }
        let product = arena.make(.multiply, pair(0), pair(2))
        let condition = arena.equals(product, 0x1235)
        let other = arena.make(.lessUnsigned, pair(4), arena.constant(500, width: 16))
        var found: [PathConstraints] = []
        for start in [solver.emptyPath(), solver.adding(other, to: solver.emptyPath())] {
            guard case .possible(let path) = try solver.satisfy(condition, on: start) else {
                Issue.record("a product has factors")
                return
            }
            #expect(satisfied(solver, path))
            found.append(path)
        }
        // The second path has one more constraint, which is not in the slice.
        #expect(z3.statistics.queries == 1)
        #expect(solver.statistics.byCache == 1)
        // A constraint over both slices joins them.
        guard
            case .possible(let joined) = try solver.satisfy(
                arena.make(.equal, pair(0), pair(4)), on: found[1]),
            case .impossible = try solver.satisfy(
                arena.make(.lessUnsigned, arena.constant(500, width: 16), pair(0)), on: joined)
        else {
            Issue.record("joined slices")
            return
        }
        #expect(satisfied(solver, joined))
    }

    @Test("conjunctions are split into independent constraints")
    func conjunction() throws {
        let arena = ExpressionArena()
        _ = arena.makeBuffer(name: "in", count: 4)
        let solver = PathSolver(arena: arena, solver: try Z3Solver())
        let word = (1..<4).reduce(arena.symbol(0)) { arena.concat(arena.symbol(UInt32($1)), $0) }
        guard case .possible(let path) = try solver.satisfy(arena.equals(word, 0x7766_5544), on: solver.emptyPath())
        else {
            Issue.record("possible")
            return
        }
        #expect(path.count == 4)
        #expect((0..<4).map { path.assignment.value(of: UInt32($0)) } == [0x44, 0x55, 0x66, 0x77])
    }

    @Test("a stored model answers before the solver")
    func storedModels() throws {
        let arena = ExpressionArena()
        _ = arena.makeBuffer(name: "in", count: 4)
        let z3 = try Z3Solver()
        let solver = PathSolver(arena: arena, solver: z3)
        func pair(_ index: UInt32) -> Term { arena.concat(arena.symbol(index + 1), arena.symbol(index)) }
        let first = arena.equals(arena.make(.add, pair(0), pair(2)), 0x4321)
        let weaker = arena.make(
            .lessUnsigned, arena.constant(0x4000, width: 16), arena.make(.add, pair(0), pair(2)))
        guard case .possible = try solver.satisfy(first, on: solver.emptyPath()),
            case .possible(let path) = try solver.satisfy(weaker, on: solver.emptyPath())
        else {
            Issue.record("possible")
            return
        }
        #expect(satisfied(solver, path))
        #expect(z3.statistics.queries == 1)
        #expect(solver.statistics.byStoredModel == 1)
    }

    @Test("an unknown answer keeps the known direction, a wrong model is found out")
    func badSolvers() throws {
        let arena = ExpressionArena()
        _ = arena.makeBuffer(name: "in", count: 2)
        let pair = arena.concat(arena.symbol(1), arena.symbol(0))
        let condition = arena.equals(arena.make(.multiply, pair, pair), 0x1231)
        let ignorant = PathSolver(arena: arena, solver: IgnorantSolver())
        guard case .one(false, let path, .timeout) = try ignorant.branch(on: condition, of: ignorant.emptyPath())
        else {
            Issue.record("one direction")
            return
        }
        #expect(path.count == 1)
        let lied = PathSolver(arena: arena, solver: LyingSolver())
        #expect(throws: ExpressionsError.self) { try lied.branch(on: condition, of: lied.emptyPath()) }
    }

    /// Every answer equals that of a search over all inputs.
    @Test("agrees with exhaustive search", arguments: 0..<3)
    func exhaustive(seed: UInt64) throws {
        var generator = Seeded(seed &+ 31337)
        let arena = ExpressionArena()
        _ = arena.makeBuffer(name: "in", count: 2)
        let solver = PathSolver(arena: arena, solver: try Z3Solver())
        let inputs = (0..<65536).map { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
        for _ in 0..<6 {
            var path = solver.emptyPath()
            var allowed = inputs
            for _ in 0..<4 {
                let condition = Tree.random(width: 1, depth: 3, symbols: 2, using: &generator).build(in: arena)
                let split = allowed.map { arena.evaluate(condition, arena.assignment($0)) == 1 }
                let outcome = try solver.branch(on: condition, of: path)
                switch outcome {
                case .always(let value): #expect(split.allSatisfy { $0 == value })
                case .both(let taken, let notTaken):
                    #expect(split.contains(true) && split.contains(false))
                    let direction = Bool.random(using: &generator)
                    path = direction ? taken : notTaken
                    allowed = zip(allowed, split).filter { $0.1 == direction }.map(\.0)
                    #expect(satisfied(solver, path))
                case .one(_, _, let reason): Issue.record("\(reason)")
                }
            }
        }
    }
}
