import Expressions
import Foundation
import Testing

@Suite("SMT-LIB")
struct SMTLIBTests {
    /// What `z3 -in` answers to a script.
    private func solve(_ script: String) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["z3", "-in", "-T:20"]
        let input = Pipe()
        let output = Pipe()
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        input.fileHandleForWriting.write(Data(script.utf8))
        try input.fileHandleForWriting.close()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @Test("scripts give the same verdict as the library", arguments: 0..<6)
    func verdicts(seed: UInt64) throws {
        var generator = Seeded(seed &+ 4242)
        let arena = ExpressionArena()
        _ = arena.makeBuffer(name: "in", count: 2)
        let solver = try Z3Solver()
        for _ in 0..<6 {
            arena.simplifies = false
            let assertions = (0..<3).map { _ in
                Tree.random(width: 1, depth: 4, symbols: 2, using: &generator).build(in: arena)
            }
            arena.simplifies = true
            let answer = try solve(arena.smtLIB(asserting: assertions))
            switch try solver.check(assertions, in: arena, timeout: .seconds(600), cancellation: Cancellation()) {
            case .satisfiable: #expect(answer == "sat")
            case .unsatisfiable: #expect(answer == "unsat")
            case .unknown(let reason): Issue.record("\(reason)")
            }
        }
    }
}
