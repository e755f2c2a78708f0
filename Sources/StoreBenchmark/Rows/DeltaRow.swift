import Benchmarking
import Foundation

/// What a run wrote to its overlay, into the store: next to the full import of the same disk.
struct DeltaRow {
    let bench: Workbench

    func measure(_ report: inout RowReport) throws {
        let disk = bench.request.disk
        var full: (seconds: [Double], bytes: [Double]) = ([], [])
        try bench.warm(disk)
        for round in 1...bench.request.repetitions {
            bench.progress.step("full import \(round) of \(bench.request.repetitions)")
            bench.remove("home")
            full.seconds.append(try bench.time([ImportRow.command(bench, disk)]))
            full.bytes.append(Double(try bench.diskUsage(bench.path("home/store"))))
        }
        let whole = Figure("full import", .seconds, full.seconds)
        let wholeBytes = Figure("its bytes", .bytes, full.bytes)
        report.add(whole)
        report.add(wholeBytes)
        let overlay = bench.path("overlay.qcow2")
        for percent in [1, 4] {
            bench.progress.step("changing \(percent) % of the disk")
            let changed = try change(percent, in: overlay)
            var own: (seconds: [Double], bytes: [Double]) = ([], [])
            let command = bench.worker(["overlay", "Clone", overlay], home: bench.path("home"))
            // Each time into a fresh copy of the store, which does not have the changes yet.
            for round in 1...max(3, bench.request.repetitions) {
                bench.progress.step("delta of \(percent) %, \(round)")
                bench.remove("home")
                try bench.run(ImportRow.command(bench, disk))
                try bench.run(bench.stemma(["vm", "clone", "Disk", "Clone"], home: bench.path("home")))
                let before = try bench.diskUsage(bench.path("home/store"))
                try bench.warm(overlay)
                own.seconds.append(try bench.time([command]))
                own.bytes.append(Double(try bench.diskUsage(bench.path("home/store"))) - Double(before))
            }
            let time = Figure(
                "delta of \(percent) % (\(changed) clusters)", .seconds, own.seconds, command: bench.text(command))
            let bytes = Figure("its bytes", .bytes, own.bytes)
            report.add(time)
            report.add(bytes)
            let limit = Double(percent) / 20
            report.comparisons.append(
                Comparison("time, \(percent) % / full", ratio: time.value / whole.value, .atMost, limit))
            report.comparisons.append(
                Comparison("bytes, \(percent) % / full", ratio: bytes.value / wholeBytes.value, .atMost, limit))
        }
        bench.remove("home", "overlay.qcow2")
    }

    /// Makes an overlay that changes a part of the disk's data; returns how many clusters.
    private func change(_ percent: Int, in overlay: String) throws -> Int {
        let disk = try SparseFile(path: bench.request.disk)
        var pieces = DataPieces(disk.dataRanges(), seed: UInt64(percent))
        let chosen = pieces.choose(max(1, pieces.count * percent / 100))
        bench.remove("overlay.qcow2")
        try bench.run(
            bench.tool(
                .qemuImg, ["create", "-q", "-f", "qcow2", "-F", "raw", "-b", bench.request.disk, overlay]))
        let directory = try bench.directory("pieces")
        defer { bench.remove("pieces", "changes.txt") }
        var script = ""
        var buffer = [UInt8](repeating: 0, count: Int(DataPieces.size))
        for (index, position) in chosen.enumerated() {
            let source = pieces.source(limit: disk.size)
            try buffer.withUnsafeMutableBytes { try disk.read(at: source, into: $0) }
            let file = "\(directory)/\(index)"
            try Data(buffer).write(to: URL(fileURLWithPath: file))
            script += "write -q -s \(file) \(position) \(DataPieces.size)\n"
        }
        let input = bench.path("changes.txt")
        try Data(script.utf8).write(to: URL(fileURLWithPath: input))
        var program = bench.tool(.qemuIO, ["-f", "qcow2", overlay])
        program.input = input
        try bench.run(program)
        return chosen.count
    }
}
