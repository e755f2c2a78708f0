import Expressions
import Testing

@Suite("Arena")
struct ArenaTests {
    @Test("equal expressions have one handle, also over growth")
    func interning() {
        let arena = ExpressionArena(capacity: 16)
        let buffer = arena.makeBuffer(name: "in", count: 64)
        func build() -> [Term] {
            buffer.bytes.flatMap { byte -> [Term] in
                let wide = arena.zeroExtend(arena.symbol(byte), to: 64)
                return (0..<64).map { arena.make(.multiply, wide, arena.constant(UInt64($0) * 77 + 3, width: 64)) }
            }
        }
        let first = build()
        let count = arena.nodeCount
        #expect(build() == first)
        #expect(arena.nodeCount == count)
        #expect(Set(first).count == 4096)
    }

    @Test("dependencies are the bytes of the operands")
    func dependencies() {
        let arena = ExpressionArena()
        _ = arena.makeBuffer(name: "a", count: 4)
        _ = arena.makeBuffer(name: "b", count: 4)
        func symbol(_ index: UInt32) -> Term { arena.symbol(index) }
        let pair = arena.concat(symbol(1), symbol(0))
        #expect(arena.dependencies(pair) == [0...1])
        #expect(arena.dependencies(arena.concat(symbol(6), pair)) == [0...1, 6...6])
        let sum = arena.make(.add, arena.concat(symbol(3), symbol(2)), pair)
        #expect(arena.dependencies(sum) == [0...3])
        #expect(arena.dependencies(arena.constant(3, width: 9)).isEmpty)
    }

    @Test("chains of 250,000 nodes are built, evaluated, printed and solved without recursion")
    func deepChains() throws {
        let arena = ExpressionArena()
        let buffer = arena.makeBuffer(name: "in", count: 2)
        let x = arena.zeroExtend(arena.symbol(buffer.firstByte), to: 32)
        let y = arena.zeroExtend(arena.symbol(buffer.firstByte + 1), to: 32)
        var chain = x
        for index in 0..<125_000 {
            chain = arena.make(.xor, arena.make(.multiply, chain, arena.constant(33, width: 32)), y)
            if index % 1000 == 0 { chain = arena.make(.add, chain, arena.constant(UInt64(index), width: 32)) }
        }
        var reference: UInt32 = 7
        for index in 0..<125_000 {
            reference = reference &* 33 ^ 9
            if index % 1000 == 0 { reference = reference &+ UInt32(index) }
        }
        #expect(arena.nodeCount > 250_000)
        #expect(arena.evaluate(chain, arena.assignment([7, 9])) == UInt64(reference))
        let low = arena.extract(chain, low: 3, width: 5)
        #expect(arena.evaluate(low, arena.assignment([7, 9])) == UInt64(reference >> 3 & 31))
        let text = arena.smtLIB(asserting: [arena.equals(chain, UInt64(reference))])
        #expect(text.count > 5_000_000)
        // Hopeless to solve, but it must end in time and without a crash.
        let solver = try Z3Solver()
        let result = try solver.check(
            [arena.equals(chain, 12345)], in: arena, timeout: .milliseconds(300), cancellation: Cancellation())
        if case .satisfiable(let values) = result {
            let assignment = arena.assignment(arena.assignment([]), replacing: values)
            #expect(arena.evaluate(chain, assignment) == 12345)
        }
    }
}
