import Benchmarking

/// What the disk and its changed copy take together, next to restic's repository.
struct SizeRow {
    let bench: Workbench

    func measure(_ report: inout RowReport) throws {
        let changed = try bench.request.changed ?? ChangedCopy(bench: bench).make()
        let disk = bench.request.disk
        bench.progress.step("storing both disks: stemma")
        bench.remove("home")
        try bench.run(ImportRow.command(bench, disk))
        let first = try bench.diskUsage(bench.path("home/store"))
        try bench.run(ImportRow.command(bench, changed, name: "Changed"))
        let own = try bench.diskUsage(bench.path("home/store"))
        report.add(Figure("the disk", .bytes, [Double(first)]))
        let figure = Figure("both", .bytes, [Double(own)], command: "du -s store")
        report.add(figure)
        bench.progress.step("storing both disks: restic")
        let archiver = Archiver.restic(bench)
        _ = try bench.directory(archiver.repository)
        bench.remove("restic-cache")
        for program in [archiver.create, archiver.store(disk, "first"), archiver.store(changed, "second")] {
            if let program { try bench.run(program) }
        }
        let peer = Figure(
            "restic", .bytes, [Double(try bench.diskUsage(bench.path(archiver.repository)))], command: "du -s restic")
        report.comparisons.append(
            Comparison("stemma / restic", peer: peer, ratio: figure.value / peer.value, .atMost, 1))
        bench.remove("home", "restic", "restic-cache", "changed.raw")
    }
}
