import Benchmarking
import Foundation
import Workflow

/// The largest resident set of each command on a sparse disk of 100 GiB with 4 GiB of data.
struct PeakMemoryRow {
    let bench: Workbench
    private static let size: UInt64 = 100 << 30
    private static let data: UInt64 = 4 << 30
    private static let limit = Double(300 << 20)

    func measure(_ report: inout RowReport) throws {
        let home = bench.path("home")
        bench.remove("home")
        bench.progress.step("making a disk of 100 GiB with 4 GiB of data")
        let file = bench.path("sparse.raw")
        try makeDisk(file)
        defer { bench.remove("home", "sparse.raw", "out.raw", "bundle", "second") }
        let commands: [(String, Program)] = [
            ("import", ImportRow.command(bench, file)),
            ("clone", bench.stemma(["vm", "clone", "Disk", "Clone"], home: home)),
            ("delta of 16,000 chunks", bench.worker(["generations", "Clone", "1", "16000"], home: home)),
            ("export", RestoreRow.command(bench, "Disk", to: bench.path("out.raw"))),
            ("store stats", bench.stemma(["store", "stats"], home: home)),
            ("store verify --deep", bench.stemma(["store", "verify", "--deep"], home: home)),
            ("store export", bench.stemma(["store", "export", bench.path("bundle"), "--all"], home: home)),
            ("store import", bench.stemma(["store", "import", bench.path("bundle")], home: bench.path("second"))),
            ("vm remove", bench.stemma(["vm", "remove", "Clone"], home: home)),
            ("store gc", bench.stemma(["store", "gc"], home: home)),
            ("store repack", bench.stemma(["store", "repack"], home: home)),
        ]
        for (what, program) in commands {
            bench.progress.step("memory of \(what)")
            let figure = Figure(what, .bytes, [try peakBytes(program)], command: bench.text(program))
            report.add(figure)
            report.comparisons.append(
                Comparison("\(what) / 300 MiB", ratio: figure.value / Self.limit, .atMost, 1))
        }
        report.notes.append("largest resident set (wait4), files that are mapped included")
    }

    /// The peak of a program that a small process starts: see `BenchmarkWorker`.
    private func peakBytes(_ program: Program) throws -> Double {
        let home = bench.path("peak-home")
        defer { bench.remove("peak-home") }
        let words = ["benchmark", "worker", "--home", home, "--quiet", "--", "peak", program.path] + program.arguments
        let output = try bench.run(Program(path: bench.place.executable, arguments: words)).output
        guard let bytes = Double(output.trimmingCharacters(in: .whitespacesAndNewlines)), bytes > 0 else {
            throw WorkflowError(.malformed, "The measured command printed '\(output)' instead of a size.")
        }
        return bytes
    }

    /// Real data of the disk, in pieces of 16 MiB over the whole size.
    private func makeDisk(_ path: String) throws {
        let disk = try SparseFile(path: bench.request.disk)
        guard FileManager.default.createFile(atPath: path, contents: nil), truncate(path, off_t(Self.size)) == 0 else {
            throw WorkflowError(.io, "\(path) cannot be made; check the free space.")
        }
        let output = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        defer { try? output.close() }
        let piece: UInt64 = 16 << 20
        let distance = Self.size / (Self.data / piece)
        var written: UInt64 = 0
        // A disk with less data is taken again, shifted by a sector, so that its chunks are others.
        var shift: UInt64 = 0
        while written < Self.data {
            let before = written
            try disk.forEachDataRange { offset, bytes in
                guard written < Self.data, UInt64(bytes.count) > shift else { return }
                let part = UnsafeRawBufferPointer(rebasing: bytes[Int(shift)...].prefix(Int(Self.data - written)))
                try output.seek(toOffset: written / piece * distance + written % piece)
                try output.write(contentsOf: Data(part))
                written += UInt64(part.count)
            }
            guard written > before else { throw WorkflowError(.malformed, "\(bench.request.disk) holds no data.") }
            shift += 512
        }
    }
}
