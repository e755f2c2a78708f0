import Benchmarking

/// Every program in the guest, each instruction interpreted.
struct InterpreterRow {
    let bench: EngineBench
    private static let limit = 60e6

    func measure(_ report: inout RowReport) throws {
        _ = try bench.preparedGuest()
        for workload in bench.request.workloads {
            var rates: [Double] = []
            var (isRight, isEqual) = (true, true)
            var command = ""
            for round in 1...bench.request.repetitions {
                bench.progress.step("\(workload.rawValue), interpreted, \(round) of \(bench.request.repetitions)")
                let own = try OwnRun.guest(bench, workload, .interpreter)
                isRight = isRight && own.run.isRight(for: workload)
                rates.append(own.rate)
                command = own.command
                guard round == 1 else { continue }
                isEqual = try OwnRun.guest(bench, workload, .machineCode).run.instructions == own.run.instructions
            }
            let figure = Figure(workload.rawValue, .instructionsPerSecond, rates, command: command)
            report.add(figure)
            report.comparisons.append(
                Comparison("\(workload.rawValue) / 60 M/s", ratio: figure.value / Self.limit, .atLeast, 1))
            report.check("\(workload.rawValue): the right output", isRight)
            report.check("\(workload.rawValue): as many instructions by machine code", isEqual)
        }
    }
}

/// A program that ran in a process of its own, by one of Stemma's engines in the guest.
struct OwnRun {
    let run: GuestRun
    let command: String

    static func guest(_ bench: EngineBench, _ workload: Workload, _ execution: EngineWorker.Execution) throws -> OwnRun
    {
        let run = try bench.work(
            ["guest", BenchGuest.snapshot, execution.rawValue, workload.rawValue, "\(bench.request.limit)"],
            as: GuestRun.self
        ).result
        return OwnRun(run: run, command: workload.command)
    }

    /// Instructions a second.
    var rate: Double { run.seconds > 0 ? Double(run.instructions ?? 0) / run.seconds : 0 }
}
