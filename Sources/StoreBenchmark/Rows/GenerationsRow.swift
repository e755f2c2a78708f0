import Benchmarking

/// How fast a whole disk is read in its first and in its thousandth generation.
struct GenerationsRow {
    let bench: Workbench
    private static let generations = 1000

    func measure(_ report: inout RowReport) throws {
        let home = bench.path("home")
        bench.remove("home")
        bench.progress.step("making \(Self.generations) generations")
        try bench.run(ImportRow.command(bench, bench.request.disk))
        // Each changes 16 chunks of 64 KiB somewhere in the disk's data.
        try bench.run(bench.worker(["generations", "Disk", "\(Self.generations)", "16"], home: home))
        try bench.warmStore("home")
        let bytes = Double(try bench.dataBytes())
        func read(_ reference: String) throws -> Double {
            bytes / (try bench.run(bench.worker(["read", reference], home: home)).seconds)
        }
        var samples: (first: [Double], last: [Double]) = ([], [])
        for round in 1...max(5, bench.request.repetitions) {
            bench.progress.step("reading the first and the last, \(round)")
            samples.first.append(try read("Disk:g1"))
            samples.last.append(try read("Disk:g\(Self.generations)"))
        }
        let first = Figure("generation 1", .bytesPerSecond, samples.first)
        let last = Figure("generation \(Self.generations)", .bytesPerSecond, samples.last)
        report.add(first)
        report.add(last)
        report.comparisons.append(Comparison("last / first", ratio: last.value / first.value, .atLeast, 0.95))
        report.notes.append("every generation changes 16 chunks of 64 KiB; nothing is repacked")
        bench.remove("home")
    }
}
