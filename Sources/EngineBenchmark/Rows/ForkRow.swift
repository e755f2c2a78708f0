import Benchmarking

/// The time of a fork, by how many pages were written since the one before.
struct ForkRow {
    let bench: EngineBench
    private static let limit = 20e-6
    /// What a page that was written may add: about the time to copy it.
    private static let perPage = 1e-6
    private static let rounds = 500

    func measure(_ report: inout RowReport) throws {
        _ = try bench.preparedGuest()
        try measureWrites(&report)
        bench.progress.step("forking a guest at work")
        let times = try bench.work(
            ["fork-at-work", BenchGuest.snapshot, "\(Self.rounds)"], as: ForkProbe.Times.self
        ).result
        let figure = Figure("every 0.1 ms of a guest that packs", .seconds, times.forks)
        report.add(figure)
        report.comparisons.append(
            Comparison("at work: fork / 20 µs", ratio: figure.value / Self.limit, .atMost, 1))
    }

    private func measureWrites(_ report: inout RowReport) throws {
        for pages in [0, 16, 256, 4096] {
            bench.progress.step("forking after writes to \(pages) pages")
            let rounds = pages > 256 ? Self.rounds / 10 : Self.rounds
            let times = try bench.work(
                ["fork", BenchGuest.snapshot, "\(pages)", "\(rounds)"], as: ForkProbe.Times.self
            ).result
            let what = pages == 0 ? "nothing written since the last one" : "\(pages) pages written"
            let figure = Figure(what, .seconds, times.forks)
            report.add(figure)
            let allowed = Self.limit + Self.perPage * Double(pages)
            report.comparisons.append(
                Comparison(
                    "\(pages) pages: fork / \(Figure.format(allowed, .seconds))", ratio: figure.value / allowed,
                    .atMost, 1))
            if pages > 0 {
                let copies = Figure(
                    "a page's first write afterwards", .seconds, times.writes.map { $0 / Double(pages) })
                report.notes.append(
                    "\(pages) pages: first write to each after a fork \(Figure.format(copies.value, .seconds))")
            }
        }
    }
}
