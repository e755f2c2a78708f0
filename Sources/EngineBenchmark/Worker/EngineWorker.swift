import Foundation
import Lineage
import Machine
import Workflow

/// Parts of the benchmark that are measured by themselves, each in a process of its own.
package struct EngineWorker {
    private let stemma: Stemma
    /// Virtual nanoseconds between two forks of a guest at work.
    private static let pause: UInt64 = 100_000

    package init(_ stemma: Stemma) { self.stemma = stemma }

    /// How the engine executes.
    package enum Execution: String, Sendable {
        case machineCode = "machine-code"
        case interpreter
    }

    /// Does what `words` say; what it prints is the result as JSON.
    package func run(_ words: [String]) throws -> String {
        switch (words.first ?? "", words.count) {
        case ("guest", 5):
            return try json(guest(words[1], execution(words[2]), workload(words[3]), limit: number(words[4])))
        case ("bare", 3): return try json(bare(words[1], execution(words[2])))
        case ("resume", 2): return try json(resume(words[1], quantum: 1))
        case ("first-turn", 2): return try json(resume(words[1], quantum: nil))
        case ("memory", 3): return try json(memory(words[1], words[2] == "nothing" ? nil : workload(words[2])))
        case ("fork", 4):
            return try json(ForkProbe(resumed(words[1])).times(rounds: number(words[3]), dirtyPages: count(words[2])))
        case ("fork-at-work", 3):
            return try json(
                ForkProbe(resumed(words[1])).timesAtWork(
                    Workload.gzip.command, rounds: number(words[2]), pause: Self.pause))
        case ("forks", 4):
            return try json(ForkProbe(resumed(words[1])).crowd(count: number(words[2]), run: UInt64(count(words[3]))))
        default: throw WorkflowError(.usage, "This is no part of a benchmark: \(words.joined(separator: " "))")
        }
    }

    private func json(_ value: some Encodable) throws -> String {
        String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
    }

    private func number(_ text: String) throws -> Int {
        let number = try count(text)
        guard number > 0 else { throw WorkflowError(.usage, "'\(text)' is too small.") }
        return number
    }

    private func count(_ text: String) throws -> Int {
        guard let number = Int(text), number >= 0 else { throw WorkflowError(.usage, "'\(text)' is no number.") }
        return number
    }

    private func execution(_ text: String) throws -> Execution {
        guard let execution = Execution(rawValue: text) else {
            throw WorkflowError(.usage, "'\(text)' is no way to execute.")
        }
        return execution
    }

    private func workload(_ text: String) throws -> Workload {
        guard let workload = Workload(rawValue: text) else { throw WorkflowError(.usage, "'\(text)' is no program.") }
        return workload
    }

    // MARK: - Programs

    private func guest(
        _ reference: String, _ execution: Execution, _ workload: Workload, limit: Int
    ) throws -> GuestRun {
        let machine = try stemma.nativeMachine(
            Reference(parsing: reference), usesMachineCode: execution == .machineCode)
        var guest = NativeGuest(machine)
        return try guest.run(workload, limit: limit)
    }

    private func bare(_ file: String, _ execution: Execution) throws -> BareProgram.Run {
        let elf = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
        return try BareProgram(elf: elf).run(usesMachineCode: execution == .machineCode, limit: 100_000_000_000)
    }

    // MARK: - States

    /// The machine of a snapshot at the end of the first turn in which it executed something, and the seconds from the opening of the
    /// store until then.
    ///
    /// - Parameter quantum: nanoseconds of a turn, which is that many instructions: with 1 it ends behind the first block.
    private func firstTurn(_ reference: String, quantum: UInt64?) throws -> (machine: Machine, seconds: Double) {
        let clock = ContinuousClock()
        let start = clock.now
        // What this process opened before is not used.
        let opened = try Stemma(home: stemma.home)
        let machine = try opened.nativeMachine(Reference(parsing: reference), quantum: quantum)
        let before = machine.retiredTotal
        while machine.retiredTotal == before {
            switch machine.runAll(until: machine.virtualTime &+ 1) {
            case .budget: break
            case .idle(let until): machine.skipIdleTime(to: until)
            case let exit: throw WorkflowError(.unavailable, "The engine stopped: \(machine.explain(exit))")
            }
        }
        return (machine, (clock.now - start) / .seconds(1))
    }

    private func resumed(_ reference: String) throws -> Machine { try firstTurn(reference, quantum: nil).machine }

    private func resume(_ reference: String, quantum: UInt64?) throws -> ResumeTime {
        ResumeTime(seconds: try firstTurn(reference, quantum: quantum).seconds)
    }

    private func memory(_ reference: String, _ workload: Workload?) throws -> MemoryUse {
        let machine = try resumed(reference)
        if let workload {
            var guest = NativeGuest(machine)
            let run = try guest.run(workload.command, limit: 3600)
            guard run.status == "0" else {
                throw WorkflowError(.unavailable, "'\(workload.command)' failed with status \(run.status).")
            }
        }
        return try MemoryUse(of: machine)
    }
}

/// What resuming took.
package struct ResumeTime: Sendable, Codable {
    package var seconds: Double
}
