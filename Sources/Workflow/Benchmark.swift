import ContentStore
import DiskImage
import Exploration
import Foundation
import Hypervisor
import Lineage

/// Measurements of this machine, each next to a peer of the same run where there is one.
package struct BenchmarkReport: Sendable, Codable {
    package struct Line: Sendable, Codable {
        package let what: String
        package let value: Double
        package let unit: String
        package let peer: String?
        package let peerValue: Double?

        /// How many times as good as the peer; for times, less is better.
        package var ratio: Double? {
            guard let peerValue, peerValue > 0, value > 0 else { return nil }
            return unit == "s" ? peerValue / value : value / peerValue
        }
    }

    package internal(set) var lines: [Line] = []

    package var text: String {
        lines.map { line in
            var text =
                line.what.padding(toLength: 28, withPad: " ", startingAt: 0)
                + String(format: "%10.2f ", line.value) + line.unit
            if let peer = line.peer, let value = line.peerValue, let ratio = line.ratio {
                text += String(format: "   %.2f %@ ", value, line.unit) + peer + String(format: "   %.2fx", ratio)
            }
            return text
        }.joined(separator: "\n")
    }
}

extension Stemma {
    /// Measures ingest, resume and exploration. The last two need a snapshot.
    package func benchmark(_ snapshot: Reference?) async throws -> BenchmarkReport {
        var report = BenchmarkReport()
        let scratch = try TemporaryDirectory(under: home.root)
        try await measureIngest(&report, in: scratch.path)
        if let snapshot {
            try await measureResume(&report, of: catalogue.snapshot(snapshot), named: snapshot, in: scratch.path)
            try measureExploration(&report, of: catalogue.snapshot(snapshot))
        }
        return report
    }

    /// A disk of 256 MiB - a quarter zero, a quarter random, half of repeated text - into a fresh store, and by qemu-img.
    private func measureIngest(_ report: inout BenchmarkReport, in scratch: String) async throws {
        progress.step("writing a disk of 256 MiB")
        let disk = scratch + "/disk.raw"
        let size = try BenchmarkDisk.write(to: disk)
        let installation = try installation()

        progress.step("storing it")
        let clock = ContinuousClock()
        var stored: UInt64 = 0
        let time = try clock.measure {
            let fresh = try ContentStore.open(at: scratch + "/store", createIfMissing: true)
            let ingest = try fresh.beginIngest(label: "benchmark")
            _ = try DiskIngest(ingest: ingest).whole(DiskImages.open(path: disk, format: .raw))
            try ingest.finish()
            stored = ingest.statistics.storedBytes
        }
        progress.step("converting it with qemu-img")
        let peer = try await clock.measure {
            try await installation.images.compress(disk, to: scratch + "/peer.qcow2")
        }
        let mebibytes = Double(size) / 1_048_576
        report.lines.append(
            .init(
                what: "ingest of a disk", value: mebibytes / (time / .seconds(1)), unit: "MiB/s",
                peer: "qemu-img convert -c", peerValue: mebibytes / (peer / .seconds(1))))
        report.lines.append(
            .init(
                what: "its size in the store", value: Double(stored) / 1_048_576, unit: "MiB", peer: nil, peerValue: nil
            ))
    }

    /// From the start of QEMU to a running guest: from the store, and from a local file with the same stream.
    private func measureResume(
        _ report: inout BenchmarkReport, of snapshot: NamedCommit, named reference: Reference, in scratch: String
    ) async throws {
        progress.step("resuming \(reference)")
        let state = try machineState(of: snapshot)
        let file = scratch + "/snapshot.stream"
        let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        guard descriptor >= 0 else { throw WorkflowError(.io, "\(file) cannot be written.") }
        defer { close(descriptor) }
        try state.write(toDescriptor: descriptor, name: file)

        let fromStore = try await resumeTime(
            snapshot, source: .blocking { try state.write(toDescriptor: $0, name: reference.description) })
        let fromFile = try await resumeTime(snapshot, source: .file(file))
        report.lines.append(
            .init(
                what: "resume until the guest runs", value: fromStore, unit: "s", peer: "the same from a local file",
                peerValue: fromFile))
    }

    private func resumeTime(_ snapshot: NamedCommit, source: IncomingSource) async throws -> Double {
        var configuration = try configuration(of: snapshot.commit, named: snapshot.name.text)
        if configuration.cpu.hasPrefix("host") { configuration.cpu = "max" }
        let run = try RunDirectory.create(under: home.runs, name: "benchmark", purpose: "benchmark")
        defer { try? run.remove() }
        let bases = configuration.disks.map {
            LaunchOptions.DiskBase.empty(size: snapshot.commit.disks[$0.id]?.length ?? 0)
        }
        let options = LaunchOptions(start: .incoming, diskBases: bases)
        let clock = ContinuousClock()
        let begin = clock.now
        let process = try await QEMUProcess.launch(configuration, options: options, in: run, using: installation())
        do {
            try await process.resume(from: source)
        } catch {
            await process.quit()
            throw error
        }
        let time = (clock.now - begin) / .seconds(1)
        await process.kill()
        return time
    }

    /// Paths a second, to the end of the exploration or for half a minute.
    private func measureExploration(_ report: inout BenchmarkReport, of snapshot: NamedCommit) throws {
        progress.step("exploring from \(snapshot.name)")
        var limits = ExplorationLimits()
        limits.maximumTime = .seconds(30)
        let result = try Explorer(machine: machineState(of: snapshot).machine(), limits: limits).run()
        let statistics = result.statistics
        report.lines.append(
            .init(what: "exploration", value: statistics.pathsPerSecond, unit: "paths/s", peer: nil, peerValue: nil))
        report.lines.append(
            .init(
                what: "paths that ended", value: Double(statistics.completedPaths), unit: "paths", peer: nil,
                peerValue: nil))
    }
}

/// The disk of the ingest benchmark: always the same bytes.
private enum BenchmarkDisk {
    static func write(to path: String) throws -> UInt64 {
        guard FileManager.default.createFile(atPath: path, contents: nil) else {
            throw WorkflowError(.io, "\(path) cannot be written.")
        }
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        defer { try? file.close() }
        let text = Array("The quick brown fox jumps over the lazy dog, and the lazy dog sleeps on. ".utf8)
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        for part in 0..<64 {
            var bytes = [UInt8](repeating: 0, count: 4 << 20)
            switch part % 4 {
            case 0: break
            case 1:
                for index in stride(from: 0, to: bytes.count, by: 8) {
                    state ^= state << 13
                    state ^= state >> 7
                    state ^= state << 17
                    for byte in 0..<8 { bytes[index + byte] = UInt8(truncatingIfNeeded: state >> (8 * UInt64(byte))) }
                }
            default:
                // Each part of text begins elsewhere, so that its chunks are new to the store.
                for index in bytes.indices { bytes[index] = text[(index + part * 7 + index / 4096) % text.count] }
            }
            try file.write(contentsOf: Data(bytes))
        }
        return 256 << 20
    }
}
