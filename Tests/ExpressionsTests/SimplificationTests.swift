import Expressions
import Testing

@Suite("Simplification")
struct SimplificationTests {
    /// Evaluation of the simplified and of the plain expression agree on random inputs.
    @Test("keeps the value of random expressions", arguments: 0..<8)
    func evaluation(seed: UInt64) {
        var generator = Seeded(seed &* 7919 &+ 1)
        let arena = ExpressionArena()
        _ = arena.makeBuffer(name: "in", count: 3)
        var changed = 0
        for round in 0..<3000 {
            let width = [1, 2, 5, 8, 16, 24, 32, 63, 64][round % 9]
            let tree = Tree.random(
                width: width, depth: Int.random(in: 1...5, using: &generator), symbols: 3, using: &generator)
            arena.simplifies = true
            let simplified = tree.build(in: arena)
            arena.simplifies = false
            let plain = tree.build(in: arena)
            arena.simplifies = true
            #expect(arena.width(simplified) == width)
            if simplified != plain { changed += 1 }
            for _ in 0..<12 {
                let bytes = (0..<3).map { _ in
                    UInt8(truncatingIfNeeded: Tree.interesting(8, using: &generator))
                }
                let assignment = arena.assignment(bytes)
                let expected = arena.evaluate(plain, assignment)
                let value = arena.evaluate(simplified, assignment)
                #expect(
                    value == expected,
                    "\(bytes): \(arena.describe(plain, depth: 9)) became \(arena.describe(simplified, depth: 9))")
                if value != expected { return }
            }
        }
        #expect(changed > 1000)
    }

    /// The solver finds no input on which the simplified and the plain expression differ.
    @Test("is equivalent to plain construction, proved", arguments: 0..<4)
    func proof(seed: UInt64) throws {
        var generator = Seeded(seed &* 104_729 &+ 17)
        let arena = ExpressionArena()
        _ = arena.makeBuffer(name: "in", count: 2)
        let solver = try Z3Solver()
        var proved = 0
        for round in 0..<700 {
            let width = [1, 3, 8, 9, 16, 17][round % 6]
            let tree = Tree.random(
                width: width, depth: Int.random(in: 1...3, using: &generator), symbols: 2, using: &generator)
            arena.simplifies = true
            let simplified = tree.build(in: arena)
            arena.simplifies = false
            let plain = tree.build(in: arena)
            let differ = arena.not(arena.make(.equal, simplified, plain))
            arena.simplifies = true
            if simplified == plain { continue }
            let result = try solver.check(
                [differ], in: arena, timeout: .seconds(5), cancellation: Cancellation())
            if case .satisfiable(let values) = result {
                Issue.record(
                    "\(values): \(arena.describe(plain, depth: 9)) became \(arena.describe(simplified, depth: 9))")
                return
            }
            // A hard multiplication may run out of time; it then counts as not proved.
            if result == .unsatisfiable { proved += 1 }
        }
        #expect(proved > 300)
    }

    /// Evaluation agrees with the solver's meaning of every operation, edge cases included.
    @Test("evaluation agrees with the solver", arguments: 0..<2)
    func evaluationAgainstSolver(seed: UInt64) throws {
        var generator = Seeded(seed &+ 99)
        let arena = ExpressionArena()
        _ = arena.makeBuffer(name: "in", count: 2)
        let solver = try Z3Solver()
        for _ in 0..<400 {
            let tree = Tree.random(width: 8, depth: 3, symbols: 2, using: &generator)
            let bytes = (0..<2).map { _ in UInt8(truncatingIfNeeded: Tree.interesting(8, using: &generator)) }
            arena.simplifies = false
            let plain = tree.build(in: arena)
            let value = arena.evaluate(plain, arena.assignment(bytes))
            let same = arena.equals(plain, value)
            let inputs = (0..<2).map { arena.equals(arena.symbol(UInt32($0)), UInt64(bytes[$0])) }
            let result = try solver.check(
                inputs + [arena.not(same)], in: arena, timeout: .seconds(600), cancellation: Cancellation())
            #expect(result == .unsatisfiable, "\(bytes) \(value) \(arena.describe(plain, depth: 9))")
        }
    }

    @Test("recognises what machine code computes")
    func machineIdioms() {
        let arena = ExpressionArena()
        let buffer = arena.makeBuffer(name: "in", count: 8)
        let bytes = buffer.bytes.map { arena.symbol($0) }
        let x = arena.concat(bytes[3], arena.concat(bytes[2], arena.concat(bytes[1], bytes[0])))
        let y = arena.concat(bytes[7], arena.concat(bytes[6], arena.concat(bytes[5], bytes[4])))
        // A value stored byte by byte and loaded again is the value.
        let sum = arena.make(.add, x, y)
        let stored = (0..<4).map { arena.extract(sum, low: 8 * $0, width: 8) }
        #expect(arena.concat(stored[3], arena.concat(stored[2], arena.concat(stored[1], stored[0]))) == sum)
        // Sign against overflow is "less".
        let sign = arena.extract(arena.make(.subtract, x, y), low: 31, width: 1)
        let overflow = arena.make(.subtractOverflow, x, y)
        let less = arena.make(.lessSigned, x, y)
        #expect(arena.make(.xor, sign, overflow) == less)
        // "Less or zero" is "not greater".
        #expect(
            arena.make(.or, less, arena.make(.equal, x, y)) == arena.lessOrEqualSigned(x, y))
        #expect(
            arena.make(.or, arena.make(.lessUnsigned, x, y), arena.make(.equal, x, y))
                == arena.lessOrEqualUnsigned(x, y))
        // The same with a constant, where the subtraction becomes an addition.
        let five = arena.constant(5, width: 32)
        let against5 = arena.make(
            .xor, arena.extract(arena.make(.subtract, x, five), low: 31, width: 1),
            arena.make(.subtractOverflow, x, five))
        #expect(against5 == arena.make(.lessSigned, x, five))
        // Bytes put together by shifts and ors are the bytes.
        let wide = bytes.prefix(4).map { arena.zeroExtend($0, to: 32) }
        var joined = wide[0]
        for index in 1..<4 {
            joined = arena.make(
                .or, joined, arena.make(.shiftLeft, wide[index], arena.constant(UInt64(8 * index), width: 32)))
        }
        #expect(joined == x)
        // A comparison of an extended byte is one of the byte.
        #expect(arena.equals(wide[0], 65) == arena.equals(bytes[0], 65))
        #expect(arena.equals(wide[0], 256) == arena.truth(false))
        #expect(
            arena.make(.lessSigned, wide[0], arena.constant(65, width: 32))
                == arena.make(.lessUnsigned, bytes[0], arena.constant(65, width: 8)))
    }
}
