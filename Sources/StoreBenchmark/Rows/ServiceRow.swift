import Benchmarking
import Foundation
import Workflow

/// Reads over NBD, from our server and from qemu-nbd with an uncompressed qcow2.
struct ServiceRow {
    let bench: Workbench

    /// How random reads are done.
    private static let reads = 40_000
    private static let inFlight = 16

    func measureSequential(_ report: inout RowReport) throws {
        try withServers { own, peer in
            var samples: (own: [Double], peer: [Double]) = ([], [])
            let bytes = Double(try bench.dataBytes())
            for round in 1...max(3, bench.request.repetitions) {
                bench.progress.step("sequential read \(round)")
                samples.own.append(bytes / (try bench.run(copy(own)).seconds))
                samples.peer.append(bytes / (try bench.run(copy(peer)).seconds))
            }
            let figure = Figure("vm serve", .bytesPerSecond, samples.own, command: "nbdcopy URI null:")
            let other = Figure(
                "qemu-nbd", .bytesPerSecond, samples.peer, command: "qemu-nbd -r -t -f qcow2 -k SOCKET IMAGE")
            report.add(figure)
            report.comparisons.append(
                Comparison("stemma / qemu-nbd", peer: other, ratio: figure.value / other.value, .atLeast, 0.8))
            report.notes.append("bytes of data a second, holes not counted")
        }
    }

    /// With the codec that disks are stored with, which the target is about, and with the one that costs size instead of time.
    func measureRandom(_ report: inout RowReport) throws {
        try measureRandom(&report, codec: nil)
        try measureRandom(&report, codec: "none")
        report.notes.append(
            "\(Self.reads) reads anywhere in the disk's data, \(Self.inFlight) in flight on one connection (libnbd)")
        report.notes.append("'none': after 'stemma store recompress --codec none'")
    }

    private func measureRandom(_ report: inout RowReport, codec: String?) throws {
        try withServers(codec: codec) { own, peer in
            var samples: (own: [Double], peer: [Double]) = ([], [])
            for round in 1...max(3, bench.request.repetitions) {
                bench.progress.step("random reads \(round)")
                samples.own.append(try randomReads(own, seed: round))
                samples.peer.append(try randomReads(peer, seed: round))
            }
            let suffix = codec.map { ", \($0)" } ?? ""
            let figure = Figure("vm serve" + suffix, .operationsPerSecond, samples.own)
            let other = Figure("qemu-nbd", .operationsPerSecond, samples.peer)
            report.add(figure)
            report.comparisons.append(
                Comparison(
                    "stemma\(suffix) / qemu-nbd", peer: other, ratio: figure.value / other.value, .atLeast,
                    codec == nil ? 0.8 : nil))
        }
    }

    private func copy(_ uri: String) -> Program { bench.tool(.nbdcopy, [uri, "null:"]) }

    private func randomReads(_ uri: String, seed: Int) throws -> Double {
        let words = [bench.request.disk, "\(Self.reads)", "\(Self.inFlight)", "\(seed)"]
        let output = try bench.run(bench.worker(["random-reads", uri] + words, home: bench.path("home"))).output
        guard let seconds = Double(output.trimmingCharacters(in: .whitespacesAndNewlines)), seconds > 0 else {
            throw WorkflowError(.malformed, "The random reads printed '\(output)' instead of a time.")
        }
        return Double(Self.reads) / seconds
    }

    /// Runs both servers with everything in the page cache; `body` gets their addresses.
    private func withServers(codec: String? = nil, _ body: (_ own: String, _ peer: String) throws -> Void) throws {
        bench.remove("home")
        bench.progress.step("preparing the servers")
        try bench.run(ImportRow.command(bench, bench.request.disk))
        if let codec {
            try bench.run(bench.stemma(["store", "recompress", "--codec", codec], home: bench.path("home")))
        }
        let image = try RestoreRow.makeImage(bench)
        try bench.warmStore("home")
        try bench.warm(image)
        let own = try BackgroundProgram(
            bench.stemma(["vm", "serve", "Disk"], home: bench.path("home")), scratch: bench.scratch)
        let uri = try own.wait(for: "the address of its disk", seconds: 60) {
            own.output.split(separator: "\n").first { $0.hasPrefix("nbd+unix:") }.map(String.init)
        }
        let socket = bench.path("peer.sock")
        bench.remove("peer.sock")
        let peer = try BackgroundProgram(
            bench.tool(.qemuNBD, ["-r", "-t", "-f", "qcow2", "-k", socket, image]), scratch: bench.scratch)
        try peer.wait(for: "its socket", seconds: 60) { FileManager.default.fileExists(atPath: socket) ? () : nil }
        try body(uri, "nbd+unix:///?socket=\(socket)")
        bench.remove("disk.qcow2")
    }
}
