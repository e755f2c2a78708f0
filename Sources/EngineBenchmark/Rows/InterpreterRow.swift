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
