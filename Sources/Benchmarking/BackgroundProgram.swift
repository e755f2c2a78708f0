import Foundation
import Workflow

/// A program that runs beside the measurement, such as a server. It ends with its owner.
package struct BackgroundProgram: ~Copyable {
    private let program: Program
    private let id: pid_t
    private let stem: String
    private let start: ContinuousClock.Instant

    package init(_ program: Program, scratch: String) throws {
        self.program = program
        stem = scratch + "/" + UUID().uuidString
        start = ContinuousClock().now
        id = try program.spawn(output: stem + ".out", errors: stem + ".err")
    }

    deinit {
        kill(id, SIGINT)
        var status: Int32 = 0
        var patience = 100
        while patience > 0, waitpid(id, &status, WNOHANG) == 0 {
            patience -= 1
            usleep(100_000)
        }
        if patience == 0 {
            kill(id, SIGKILL)
            waitpid(id, &status, 0)
        }
        unlink(stem + ".out")
        unlink(stem + ".err")
    }

    package var output: String { Self.text(stem + ".out") }
    package var errors: String { Self.text(stem + ".err") }

    /// Seconds since the start.
    package var age: Double { (ContinuousClock().now - start) / .seconds(1) }

    /// Looks again and again until `probe` gives a value.
    ///
    /// - Throws: `unavailable` when the program ends or the time runs out first.
    package func wait<Value>(for what: String, seconds limit: Double, _ probe: () throws -> Value?) throws -> Value {
        while true {
            if let value = try probe() { return value }
            try Task.checkCancellation()
            let hasEnded = hasEnded
            guard !hasEnded, age < limit else {
                throw WorkflowError(
                    .unavailable,
                    "'\(program.text)' \(hasEnded ? "ended" : "did not come") before \(what):\n\(errors.suffix(2000))")
            }
            usleep(1000)
        }
    }

    /// Waits until the program has ended by itself.
    package func waitForEnd(seconds limit: Double) throws {
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(limit)
        while !hasEnded {
            guard clock.now < deadline else { throw WorkflowError(.unavailable, "'\(program.text)' did not end.") }
            try Task.checkCancellation()
            usleep(100_000)
        }
    }

    /// Without reaping it: the number stays ours.
    private var hasEnded: Bool {
        var information = siginfo_t()
        return waitid(P_PID, id_t(id), &information, WEXITED | WNOHANG | WNOWAIT) == 0 && information.si_signo != 0
    }

    private static func text(_ path: String) -> String {
        String(decoding: (try? Data(contentsOf: URL(fileURLWithPath: path))) ?? Data(), as: UTF8.self)
    }
}
