import Benchmarking
import Foundation

/// The first import of the disk, next to restic, borg and casync; and whether each gives the same bytes back.
struct ImportRow {
    let bench: Workbench

    func measure(_ report: inout RowReport) throws {
        let disk = bench.request.disk
        let archivers = Archiver.all(bench)
        var own: [Double] = []
        var peers = [[Double]](repeating: [], count: archivers.count)
        try bench.warm(disk)
        for round in 1...bench.request.repetitions {
            bench.progress.step("import \(round) of \(bench.request.repetitions): stemma")
            own.append(try importDisk())
            for (index, archiver) in archivers.enumerated() {
                bench.progress.step("import \(round) of \(bench.request.repetitions): \(archiver.name)")
                _ = try bench.directory(archiver.repository)
                bench.remove("restic-cache", "borg-base")
                let programs = [archiver.create, archiver.store(disk, "first")].compactMap { $0 }
                peers[index].append(try bench.time(programs))
            }
        }
        let figure = Figure("vm create", .seconds, own, command: bench.text(Self.command(bench, disk)))
        report.add(figure)
        for (archiver, samples) in zip(archivers, peers) {
            let commands = [archiver.create, archiver.store(disk, "first")].compactMap { $0 }.map(bench.text)
            let peer = Figure(archiver.name, .seconds, samples, command: commands.joined(separator: "; "))
            report.comparisons.append(
                Comparison(
                    "\(archiver.name) / stemma", peer: peer, ratio: peer.value / figure.value, .atLeast, 3))
        }
        try checkRestores(archivers, &report)
        bench.remove("home", "casync", "borg", "restic", "restic-cache", "borg-base")
    }

    /// The command that imports a disk.
    static func command(_ bench: Workbench, _ disk: String, name: String = "Disk", home: String = "home") -> Program {
        bench.stemma(["vm", "create", name, "--disk", disk, "--format", "raw"], home: bench.path(home))
    }

    private func importDisk() throws -> Double {
        bench.remove("home")
        return try bench.time([Self.command(bench, bench.request.disk)])
    }

    private func checkRestores(_ archivers: [Archiver], _ report: inout RowReport) throws {
        let disk = bench.request.disk
        bench.progress.step("restoring what stemma stored")
        _ = try bench.directory("restored")
        try bench.run(RestoreRow.command(bench, "Disk", to: bench.path("restored/disk.raw")))
        report.check(
            "restored bit for bit: stemma", try SparseFile.haveEqualBytes(disk, bench.path("restored/disk.raw")))
        for archiver in archivers {
            bench.progress.step("restoring what \(archiver.name) stored")
            _ = try bench.directory("restored")
            let command = archiver.restore(disk, "first", "restored")
            try bench.run(command.program)
            report.check(
                "restored bit for bit: \(archiver.name)", try SparseFile.haveEqualBytes(disk, command.result))
        }
        bench.remove("restored")
    }
}
