import Machine
import Workflow

/// The guest in Stemma's engine, with somebody at its console.
package struct NativeGuest: ~Copyable {
    package let machine: Machine
    private var console = ""
    /// Virtual nanoseconds between two looks at the console.
    private static let step: UInt64 = 500_000

    package init(_ machine: Machine) { self.machine = machine }

    /// Runs a workload and its check.
    ///
    /// - Parameter limit: seconds of the guest's time for each.
    package mutating func run(_ workload: Workload, limit: Int) throws -> GuestRun {
        var run = try self.run(workload.command, limit: limit)
        if let check = workload.check { run.checked = try self.run(check, limit: limit).output }
        return run
    }

    /// Types a command and runs until its end mark is on the console.
    package mutating func run(_ command: String, limit: Int) throws -> GuestRun {
        var input = Array(ConsoleCommand(command).line.utf8)
        let first = machine.retiredTotal
        let end = machine.virtualTime &+ UInt64(limit) * 1_000_000_000
        let clock = ContinuousClock()
        let start = clock.now
        console = ""
        while true {
            if !input.isEmpty { input.removeFirst(min(machine.sendConsoleInput(input), input.count)) }
            let exit = machine.runAll(until: machine.virtualTime &+ Self.step)
            let output = machine.takeConsoleOutput()
            if !output.isEmpty {
                console += String(decoding: output, as: UTF8.self)
                if let run = finished(clock.now - start, machine.retiredTotal &- first) { return run }
            }
            switch exit {
            case .budget: break
            case .idle(let until): machine.skipIdleTime(to: until)
            default: throw WorkflowError(.unavailable, "The engine stopped: \(machine.explain(exit))")
            }
            guard machine.virtualTime < end else {
                throw WorkflowError(
                    .unavailable,
                    "'\(command)' did not end within \(limit) s of the guest's time:\n\(console.suffix(500))")
            }
        }
    }

    private func finished(_ time: Duration, _ instructions: UInt64) -> GuestRun? {
        guard let mark = console.firstRange(of: ConsoleCommand.endMark),
            let status = console[mark.upperBound...].firstRange(of: ConsoleCommand.statusEnd)
        else { return nil }
        return GuestRun(
            seconds: time / .seconds(1), instructions: instructions,
            status: String(console[mark.upperBound..<status.lowerBound]),
            output: ConsoleCommand.output(of: String(console[..<mark.lowerBound])))
    }

    /// Types a line, and comes back when the guest has taken all of it.
    package func begin(_ command: String) throws {
        var input = Array((command + "\r").utf8)
        while !input.isEmpty {
            input.removeFirst(min(machine.sendConsoleInput(input), input.count))
            try settle(nanoseconds: Self.step)
        }
    }

    /// Lets time pass: what the guest still has to do.
    package func settle(nanoseconds: UInt64) throws {
        let end = machine.virtualTime &+ nanoseconds
        while machine.virtualTime < end {
            switch machine.runAll(until: end) {
            case .budget: break
            case .idle(let until): machine.skipIdleTime(to: min(until, end))
            case let exit: throw WorkflowError(.unavailable, "The engine stopped: \(machine.explain(exit))")
            }
        }
    }
}
