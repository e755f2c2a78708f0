import Expressions
import Foundation
import Testing

@Suite("Solver")
struct SolverTests {
    private func check(
        _ solver: Z3Solver, _ assertions: [Term], _ arena: ExpressionArena,
        timeout: Duration = .seconds(600)
    ) throws -> SolverResult {
        try solver.check(assertions, in: arena, timeout: timeout, cancellation: Cancellation())
    }

    @Test("the stack follows the path: common prefixes, shorter and other lists")
    func stack() throws {
        let arena = ExpressionArena()
        _ = arena.makeBuffer(name: "in", count: 4)
        let solver = try Z3Solver()
        let above = (0..<4).map { arena.make(.lessUnsigned, arena.constant(64, width: 8), arena.symbol(UInt32($0))) }
        var list: [Term] = []
        // Every path of a tree of four decisions.
        for path in 0..<16 {
            list = (0..<4).map { path >> $0 & 1 == 1 ? above[$0] : arena.not(above[$0]) }
            for length in 1...4 {
                guard case .satisfiable(let values) = try check(solver, Array(list.prefix(length)), arena) else {
                    Issue.record("path \(path) is feasible")
                    return
                }
                let assignment = arena.assignment(arena.assignment([]), replacing: values)
                for assertion in list.prefix(length) { #expect(arena.evaluate(assertion, assignment) == 1) }
            }
        }
        #expect(try check(solver, list + [arena.not(list[2])], arena) == .unsatisfiable)
        #expect(try check(solver, [], arena) == .satisfiable(ByteValues(entries: [])))
        #expect(solver.statistics.queries == 66)
        #expect(solver.statistics.unsatisfiable == 1)
    }

    @Test("constant tables are inverted")
    func tables() throws {
        let arena = ExpressionArena()
        _ = arena.makeBuffer(name: "in", count: 4)
        let solver = try Z3Solver()
        let elements = (0..<256).map { index -> UInt64 in
            var c = UInt32(index)
            for _ in 0..<8 { c = c & 1 == 1 ? c >> 1 ^ 0xEDB8_8320 : c >> 1 }
            return UInt64(c)
        }
        let table = ConstantTable(elements: elements, elementWidth: 32)
        #expect(table.indexWidth == 8)
        var crc = arena.constant(0xFFFF_FFFF, width: 32)
        var reference: UInt32 = 0xFFFF_FFFF
        let secret = Array("Sw1f".utf8)
        for index in 0..<4 {
            let byte = arena.symbol(UInt32(index))
            let place = arena.make(.xor, arena.extract(crc, low: 0, width: 8), byte)
            let shifted = arena.make(.shiftRightLogical, crc, arena.constant(8, width: 32))
            crc = arena.make(.xor, arena.load(table, at: place), shifted)
            let element = elements[Int(UInt8(truncatingIfNeeded: reference) ^ secret[index])]
            reference = UInt32(truncatingIfNeeded: element) ^ reference >> 8
        }
        let result = try check(solver, [arena.equals(crc, UInt64(reference))], arena)
        guard case .satisfiable(let values) = result else {
            Issue.record("the checksum has a preimage: \(result)")
            return
        }
        #expect(values.entries.map(\.value) == secret)
    }

    /// A product of two primes of 32 bits without a pattern in their bits, to be factored: minutes of work at least.
    private func factoring(_ arena: ExpressionArena) -> [Term] {
        _ = arena.makeBuffer(name: "in", count: 8)
        func word(_ first: UInt32) -> Term {
            (1..<4).reduce(arena.symbol(first)) { arena.concat(arena.symbol(first + UInt32($1)), $0) }
        }
        let x = word(0)
        let y = word(4)
        let product = arena.make(.multiply, arena.zeroExtend(x, to: 64), arena.zeroExtend(y, to: 64))
        return [
            arena.equals(product, 3_734_928_559 * 3_405_691_637),
            arena.make(.lessUnsigned, arena.constant(1, width: 32), x), arena.make(.lessUnsigned, x, y),
        ]
    }

    @Test("a hard query ends at the time-out, and the solver goes on working")
    func timeout() throws {
        let arena = ExpressionArena()
        let hard = factoring(arena)
        let solver = try Z3Solver(quickTimeout: .milliseconds(30))
        for _ in 0..<3 {
            let result = try check(solver, hard, arena, timeout: .milliseconds(120))
            #expect(result == SolverResult.unknown(UnknownReason.timeout))
            let easy = arena.equals(arena.symbol(0), 77)
            #expect(
                try check(solver, [easy], arena) == .satisfiable(ByteValues(entries: [.init(byte: 0, value: 77)])))
        }
        #expect(solver.statistics.unknown == 3)
    }

    @Test("a hard query whose time is over before it begins ends, whenever the solver is interrupted")
    func timeIsOver() throws {
        let arena = ExpressionArena()
        let hard = factoring(arena)
        let solver = try Z3Solver(quickTimeout: .zero)
        for round in 0..<40 {
            let result = try check(solver, hard, arena, timeout: .microseconds(round * 200))
            #expect(result == SolverResult.unknown(UnknownReason.timeout))
        }
    }

    @Test("an easy query is answered, whenever the quick solver is interrupted")
    func easyQueries() throws {
        let arena = ExpressionArena()
        _ = arena.makeBuffer(name: "in", count: 8)
        let solver = try Z3Solver(quickTimeout: .zero)
        for round in UInt64(0)..<60 {
            // Eight bytes to be read from the model.
            let sum = (0..<8).map { arena.zeroExtend(arena.symbol($0), to: 32) }.reduce(arena.constant(0, width: 32)) {
                arena.make(.add, $0, $1)
            }
            let target = arena.equals(sum, round + 1)
            guard case .satisfiable(let values) = try check(solver, [target], arena) else {
                Issue.record("round \(round) has a solution")
                return
            }
            #expect(arena.evaluate(target, arena.assignment(arena.assignment([]), replacing: values)) == 1)
        }
    }

    @Test("a query is cancelled from another thread")
    func cancellation() throws {
        let arena = ExpressionArena()
        let hard = factoring(arena)
        let solver = try Z3Solver()
        let cancellation = Cancellation()
        let thread = Thread {
            Thread.sleep(forTimeInterval: 0.15)
            cancellation.cancel()
        }
        thread.start()
        let result = try solver.check(hard, in: arena, timeout: .seconds(600), cancellation: cancellation)
        #expect(result == SolverResult.unknown(UnknownReason.cancelled))
        let later = try solver.check(hard, in: arena, timeout: .seconds(600), cancellation: cancellation)
        #expect(later == SolverResult.unknown(UnknownReason.cancelled))
    }

    @Test("the context is made anew when it holds too many translations")
    func renewal() throws {
        let arena = ExpressionArena()
        _ = arena.makeBuffer(name: "in", count: 1)
        let solver = try Z3Solver(translationLimit: 20)
        for value in 0..<100 {
            let wide = arena.zeroExtend(arena.symbol(0), to: 32)
            let product = arena.make(.multiply, wide, arena.constant(UInt64(2 * value + 3), width: 32))
            let target = arena.make(.lessUnsigned, product, arena.constant(UInt64(value + 2), width: 32))
            guard case .satisfiable = try check(solver, [target], arena) else {
                Issue.record("0 is a solution")
                return
            }
        }
    }
}
