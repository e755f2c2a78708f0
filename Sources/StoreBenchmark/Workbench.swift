import Foundation
import Synchronization
import Workflow

/// What the rows share: the scratch directory, the programs, and how things are timed.
///
/// The directory goes away with its last owner.
final class Workbench: Sendable {
    let request: StoreBenchmarkRequest
    let scratch: String
    let progress: ProgressLog
    /// The guest's snapshots, once they were taken.
    let guest = Mutex<GuestSnapshots.Saved?>(nil)
    private let tools: [String: String]
    /// This program.
    private let executable: String

    init(request: StoreBenchmarkRequest, tools: [String: String], progress: ProgressLog) throws {
        // Some programs keep a file under its absolute path.
        var request = request
        request.disk = URL(fileURLWithPath: request.disk).standardizedFileURL.path
        request.changed = request.changed.map { URL(fileURLWithPath: $0).standardizedFileURL.path }
        self.request = request
        self.tools = tools
        self.progress = progress
        executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        for file in [request.disk] + (request.changed.map { [$0] } ?? []) {
            guard FileManager.default.isReadableFile(atPath: file) else {
                throw WorkflowError(.missing, "\(file) cannot be read; check the path.")
            }
        }
        let parent = URL(fileURLWithPath: request.scratch ?? FileManager.default.temporaryDirectory.path)
            .standardizedFileURL.path
        scratch = parent + "/stemma-benchmark-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(
            atPath: scratch, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    deinit {
        try? FileManager.default.removeItem(atPath: scratch)
    }

    // MARK: - Programs

    /// A verb of this program, with a home of its own.
    func stemma(_ arguments: [String], home: String) -> Program {
        Program(path: executable, arguments: arguments + ["--home", home, "--quiet"])
    }

    /// A part of a verb that is measured by itself, in a process of its own.
    func worker(_ arguments: [String], home: String) -> Program {
        stemma(["benchmark", "worker"] + arguments, home: home)
    }

    func tool(_ requirement: Requirement, _ arguments: [String], environment: [String: String] = [:]) -> Program {
        Program(
            path: tools[requirement.program] ?? requirement.program, arguments: arguments, environment: environment)
    }

    /// The text of a command, with paths below the scratch directory made short.
    func text(_ program: Program) -> String {
        program.text.replacing(scratch + "/", with: "").replacing(" --quiet", with: "")
            .replacing(request.disk, with: "DISK")
    }

    @discardableResult
    func run(_ program: Program) throws -> Program.Usage { try program.run(scratch: scratch) }

    // MARK: - Time

    /// Seconds that the commands take one after the other, with the writing of what they left in the page cache.
    func time(_ programs: [Program]) throws -> Double {
        try synchronize()
        let clock = ContinuousClock()
        let start = clock.now
        for program in programs { try run(program) }
        try synchronize()
        return (clock.now - start) / .seconds(1)
    }

    /// Writes what is in the page cache to the file system of the scratch directory.
    func synchronize() throws {
        // coreutils' way to call syncfs, which is hidden from Swift (_GNU_SOURCE).
        try run(Program(path: "/bin/sync", arguments: ["-f", scratch]))
    }

    // MARK: - Files

    func path(_ name: String) -> String { scratch + "/" + name }

    func remove(_ names: String...) {
        for name in names { try? FileManager.default.removeItem(atPath: path(name)) }
    }

    /// A directory that is new.
    func directory(_ name: String) throws -> String {
        remove(name)
        try FileManager.default.createDirectory(atPath: path(name), withIntermediateDirectories: true)
        return path(name)
    }

    /// Reads a file, so that its data is in the page cache; holes are left out.
    func warm(_ file: String) throws {
        try SparseFile(path: file).forEachDataRange { _, _ in }
    }

    /// Reads all packs and indexes of a home's store.
    func warmStore(_ home: String) throws {
        let root = path(home) + "/store"
        for name in try FileManager.default.subpathsOfDirectory(atPath: root) {
            var isDirectory: ObjCBool = false
            if FileManager.default.fileExists(atPath: root + "/" + name, isDirectory: &isDirectory), !isDirectory.boolValue {
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

    /// The name of the file system's type, for people.
    var fileSystem: String {
        let program = Program(path: "/usr/bin/stat", arguments: ["-f", "-c", "%T", scratch])
        return (try? run(program).output.trimmingCharacters(in: .whitespacesAndNewlines)) ?? "unknown"
    }

    func describeMachine(_ tools: [Requirement]) -> MachineDescription {
        var machine = MachineDescription()
        func lines(_ path: String) -> [Substring] {
            String(decoding: (try? Data(contentsOf: URL(fileURLWithPath: path))) ?? Data(), as: UTF8.self)
                .split(separator: "\n")
        }
        let models = lines("/proc/cpuinfo").filter { $0.hasPrefix("model name") }
        machine.processor = models.first?.split(separator: ":").last.map {
            $0.trimmingCharacters(in: .whitespaces)
        } ?? "unknown processor"
        machine.cores = models.count
        machine.memoryBytes = ProcessInfo.processInfo.physicalMemory
        machine.load = lines("/proc/loadavg").first?.split(separator: " ").first.flatMap { Double($0) } ?? 0
        for tool in Set(tools) {
            let result = try? self.tool(tool, [tool.versionArgument]).runAnyway(scratch: scratch)
            let line = result.map { $0.output + $0.errors }?.split(separator: "\n").first.map(String.init) ?? ""
            // The first word with a digit and a dot.
            let word = line.split(separator: " ").first { $0.contains(".") && $0.contains(where: \.isNumber) }
            machine.programs[tool.program] = word.map(String.init) ?? "of unknown version"
        }
        return machine
    }
}
