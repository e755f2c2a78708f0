import Benchmarking

/// Forks of an idle guest that live at the same time.
struct ForksRow {
    let bench: EngineBench
    private static let count = 10_000
    private static let limit = Double(1 << 30)
    /// Virtual nanoseconds that forks run in the second part: the guest's timer ticks.
    private static let run = 10_000_000

    func measure(_ report: inout RowReport) throws {
        _ = try bench.preparedGuest()
        for run in [0, Self.run] {
            let what = run == 0 ? "that wait" : "that wait after 10 ms of their time"
            bench.progress.step("\(Self.count) forks \(what)")
            let crowd = try bench.work(
                ["forks", BenchGuest.snapshot, "\(Self.count)", "\(run)"], as: ForkProbe.Crowd.self
            ).result
            let figure = Figure("\(crowd.count) forks \(what)", .bytes, [Double(crowd.peakBytes)])
            report.add(figure)
            func mean(_ seconds: Double) -> [Double] { [seconds / Double(max(crowd.count, 1))] }
            report.add(Figure("mean time of a fork", .seconds, mean(crowd.seconds)))
            if run > 0 {
                report.add(Figure("mean time of parking one", .seconds, mean(crowd.parkSeconds)))
                report.add(Figure("mean time until one can go on", .seconds, mean(crowd.unparkSeconds)))
                report.add(Figure("the same forks, ready to go on", .bytes, [Double(crowd.readyPeakBytes)]))
            }
            report.comparisons.append(Comparison("\(what) / 1 GiB", ratio: figure.value / Self.limit, .atMost, 1))
            report.check("forks \(what) do not see each other's writes", crowd.isIndependent)
        }
    }
}
