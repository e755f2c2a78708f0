import Benchmarking

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
