import Benchmarking

/// Writing a whole disk to a raw file, next to `qemu-img convert` from an uncompressed qcow2.
struct RestoreRow {
    let bench: Workbench

    static func command(_ bench: Workbench, _ name: String, to file: String, home: String = "home") -> Program {
        bench.stemma(["vm", "export", name, file, "--format", "raw"], home: bench.path(home))
    }

    func measure(_ report: inout RowReport) throws {
        let disk = bench.request.disk
        bench.remove("home")
        bench.progress.step("preparing the restore")
        try bench.run(ImportRow.command(bench, disk))
        let image = try Self.makeImage(bench)
        let own = Self.command(bench, "Disk", to: bench.path("own.raw"))
        let peer = bench.tool(
            .qemuImg, ["convert", "-f", "qcow2", "-O", "raw", image, bench.path("peer.raw")])
        var samples: (own: [Double], peer: [Double]) = ([], [])
        try bench.warmStore("home")
        try bench.warm(image)
        for round in 1...bench.request.repetitions {
            bench.progress.step("restore \(round) of \(bench.request.repetitions)")
            bench.remove("own.raw", "peer.raw")
            try bench.synchronize()
            samples.own.append(try bench.time([own]))
            samples.peer.append(try bench.time([peer]))
        }
        let figure = Figure("vm export", .seconds, samples.own, command: bench.text(own))
        let other = Figure("qemu-img", .seconds, samples.peer, command: bench.text(peer))
        report.add(figure)
        report.comparisons.append(
            Comparison("qemu-img / stemma", peer: other, ratio: other.value / figure.value, .atLeast, 0.8))
        report.check("the same bytes", try SparseFile.haveEqualBytes(disk, bench.path("own.raw")))
        bench.remove("home", "own.raw", "peer.raw", "disk.qcow2")
    }

    /// An uncompressed qcow2 of the disk.
    static func makeImage(_ bench: Workbench) throws -> String {
        let image = bench.path("disk.qcow2")
        bench.remove("disk.qcow2")
        try bench.run(
            bench.tool(.qemuImg, ["convert", "-f", "raw", "-O", "qcow2", bench.request.disk, image]))
        return image
    }
}
