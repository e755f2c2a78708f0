import Benchmarking
import Foundation
import Synchronization
import Workflow

/// What the rows share: the scratch directory, the programs, the disk.
final class Workbench: Bench {
    let request: StoreBenchmarkRequest
    let place: ScratchPlace
    let progress: ProgressLog
    /// The guest's snapshots, once they were taken.
    let guest = Mutex<GuestSnapshots.Saved?>(nil)

    init(request: StoreBenchmarkRequest, tools: [String: String], progress: ProgressLog) throws {
        // Some programs keep a file under its absolute path.
        var request = request
        request.disk = URL(fileURLWithPath: request.disk).standardizedFileURL.path
        request.changed = request.changed.map { URL(fileURLWithPath: $0).standardizedFileURL.path }
        self.request = request
        self.progress = progress
        for file in [request.disk] + (request.changed.map { [$0] } ?? []) {
            guard FileManager.default.isReadableFile(atPath: file) else {
                throw WorkflowError(.missing, "\(file) cannot be read; check the path.")
            }
        }
        place = try ScratchPlace(under: request.scratch, tools: tools)
    }

    // MARK: - Programs

    /// The text of a command, with paths below the scratch directory and the disk's made short.
    func text(_ program: Program) -> String {
        program.text.replacing(scratch + "/", with: "").replacing(" --quiet", with: "")
            .replacing(request.disk, with: "DISK")
    }

    // MARK: - Files

    /// Reads a file, so that its data is in the page cache; holes are left out.
    func warm(_ file: String) throws {
        try SparseFile(path: file).forEachDataRange { _, _ in }
    }

    /// Reads all packs and indexes of a home's store.
    func warmStore(_ home: String) throws {
        let root = path(home) + "/store"
        for name in try FileManager.default.subpathsOfDirectory(atPath: root) {
            var isDirectory: ObjCBool = false
            if FileManager.default.fileExists(atPath: root + "/" + name, isDirectory: &isDirectory),
                !isDirectory.boolValue
            {
                try warm(root + "/" + name)
            }
        }
    }

    /// How much data the disk holds, without its holes.
    func dataBytes() throws -> UInt64 {
        try SparseFile(path: request.disk).dataRanges().reduce(0) { $0 + ($1.upperBound - $1.lowerBound) }
    }

    /// Bytes of disk that a directory takes, as `du` counts them.
    func diskUsage(_ path: String) throws -> UInt64 {
        let output = try run(Program(path: "/usr/bin/du", arguments: ["-s", "-B1", path])).output
        guard let bytes = output.split(separator: "\t").first.flatMap({ UInt64($0) }) else {
            throw WorkflowError(.io, "The size of \(path) cannot be found out.")
        }
        return bytes
    }
}
