import Benchmarking

/// From the opening of the store to the first instruction that retires.
struct ResumeRow {
    let bench: EngineBench
    private static let limit = 0.050

    func measure(_ report: inout RowReport) throws {
        _ = try bench.preparedGuest()
        var (resumes, processes): ([Double], [Double]) = ([], [])
        // The first one finds a cold page cache, or that of the snapshot's writer: it does not count.
        for round in 0...max(5, bench.request.repetitions) {
            bench.progress.step("resuming, \(round)")
            let (result, usage) = try bench.work(["resume", BenchGuest.snapshot], as: ResumeTime.self)
            guard round > 0 else { continue }
            resumes.append(result.seconds)
            processes.append(usage.seconds)
        }
        let figure = Figure("store opened to first instruction", .seconds, resumes)
        report.add(figure)
        report.add(Figure("the whole process that does it", .seconds, processes))
        report.comparisons.append(Comparison("resume / 50 ms", ratio: figure.value / Self.limit, .atMost, 1))
    }
}

/// The largest resident set of a process that runs a guest.
struct MemoryRow {
    let bench: EngineBench
    private static let allowance = Double(64 << 20)

    func measure(_ report: inout RowReport) throws {
        _ = try bench.preparedGuest()
        let cases = ["nothing"] + bench.request.workloads.map(\.rawValue)
        for name in cases {
            bench.progress.step("memory of \(name)")
            let use = try bench.work(["memory", BenchGuest.snapshot, name], as: MemoryUse.self).result
            let title = name == "nothing" ? "resumed" : name
            report.add(Figure("\(title): pages touched", .bytes, [Double(use.touchedBytes)]))
            report.add(Figure("\(title): largest resident set", .bytes, [Double(use.peakBytes)]))
            report.comparisons.append(
                Comparison(
                    "\(title): resident / (touched + 64 MiB)",
                    ratio: Double(use.peakBytes) / (Double(use.touchedBytes) + Self.allowance), .atMost, 1))
        }
        report.notes.append(
            "VmHWM of the process, files that are mapped included; pages of zeros that were only read do not count")
    }
}

/// The time of a fork, by how many pages were written since the one before.
struct ForkRow {
    let bench: EngineBench
    private static let limit = 20e-6
    /// What a page that was written may add: about the time to copy it.
    private static let perPage = 1e-6
    private static let rounds = 500

    func measure(_ report: inout RowReport) throws {
        _ = try bench.preparedGuest()
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
            let what = run == 0 ? "that wait" : "that ran for 10 ms of their time"
            bench.progress.step("\(Self.count) forks \(what)")
            let crowd = try bench.work(
                ["forks", BenchGuest.snapshot, "\(Self.count)", "\(run)"], as: ForkProbe.Crowd.self
            ).result
            let figure = Figure("\(crowd.count) forks \(what)", .bytes, [Double(crowd.peakBytes)])
            report.add(figure)
            report.add(Figure("mean time of a fork", .seconds, [crowd.seconds / Double(max(crowd.count, 1))]))
            report.comparisons.append(Comparison("\(what) / 1 GiB", ratio: figure.value / Self.limit, .atMost, 1))
            report.check("forks \(what) do not see each other's writes", crowd.isIndependent)
        }
    }
}
