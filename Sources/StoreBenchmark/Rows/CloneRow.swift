import Benchmarking

/// The whole command that clones a VM: of the big disk, and of a VM with a long history.
struct CloneRow {
    let bench: Workbench
    private static let limit = 0.010
    private static let depth = 1000

    func measure(_ report: inout RowReport) throws {
        let home = bench.path("home")
        bench.remove("home")
        bench.progress.step("preparing the clones")
        try bench.run(ImportRow.command(bench, bench.request.disk))
        try bench.run(bench.stemma(["vm", "create", "Small", "--size", "1M"], home: home))
        try bench.run(
            bench.stemma(["vm", "create", "Deep", "--disk", bench.request.disk, "--format", "raw"], home: home))
        let image = try RestoreRow.makeImage(bench)
        var samples: [String: [Double]] = [:]
        func clone(_ origin: String, _ round: Int) throws {
            let command = bench.stemma(["vm", "clone", origin, "\(origin)-\(round)"], home: home)
            samples[origin, default: []].append(try bench.run(command).seconds)
        }
        for round in 0..<31 {
            try clone("Small", round)
            try clone("Disk", round)
            let peer = bench.tool(
                .qemuImg,
                ["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", image, bench.path("clone-\(round).qcow2")])
            samples["qemu-img", default: []].append(try bench.run(peer).seconds)
            bench.remove("clone-\(round).qcow2")
        }
        bench.progress.step("making \(Self.depth) snapshots")
        try bench.run(bench.worker(["generations", "Deep", "\(Self.depth)", "1"], home: home))
        for round in 0..<31 { try clone("Deep", round) }
        func figure(_ name: String, _ what: String) -> Figure {
            Figure(what, .seconds, samples[name] ?? [], command: "stemma vm clone \(name) NEW")
        }
        let small = figure("Small", "of an empty VM")
        let disk = figure("Disk", "of the disk")
        let deep = figure("Deep", "of the disk with \(Self.depth) snapshots")
        for figure in [small, disk, deep] {
            report.add(figure)
            report.comparisons.append(
                Comparison("\(figure.what) / 10 ms", ratio: figure.value / Self.limit, .atMost, 1))
        }
        report.comparisons.append(
            Comparison("of the disk / of an empty VM", ratio: disk.value / small.value, .atMost, 1.25))
        report.comparisons.append(
            Comparison("with \(Self.depth) snapshots / without", ratio: deep.value / disk.value, .atMost, 1.25))
        let peer = Figure("qemu-img create -b, for comparison", .seconds, samples["qemu-img"] ?? [])
        report.notes.append("\(peer.what): \(peer.text.split(separator: " ").joined(separator: " "))")
        bench.remove("home", "disk.qcow2")
    }
}
