import Benchmarking

/// From the opening of the store to the first instruction that retires; and, beside it, to the end of the first turn, which lifts and
/// translates the guest's code for up to 20,000 instructions.
struct ResumeRow {
    let bench: EngineBench
    private static let limit = 0.050

    func measure(_ report: inout RowReport) throws {
        _ = try bench.preparedGuest()
        var (resumes, turns, processes): ([Double], [Double], [Double]) = ([], [], [])
        // The first one finds a cold page cache, or works out what later ones remember: it is told apart.
        for round in 0...max(5, bench.request.repetitions) {
            bench.progress.step("resuming, \(round)")
            let (result, usage) = try bench.work(["resume", BenchGuest.snapshot], as: ResumeTime.self)
            guard round > 0 else {
                report.add(Figure("the first time", .seconds, [result.seconds]))
                continue
            }
            resumes.append(result.seconds)
            turns.append(try bench.work(["first-turn", BenchGuest.snapshot], as: ResumeTime.self).result.seconds)
            processes.append(usage.seconds)
        }
        let figure = Figure("store opened to first instruction", .seconds, resumes)
        report.add(figure)
        report.add(Figure("store opened to the end of the guest's first 20 us", .seconds, turns))
        report.add(Figure("the whole process that does it", .seconds, processes))
        report.comparisons.append(Comparison("resume / 50 ms", ratio: figure.value / Self.limit, .atMost, 1))
    }
}
