import Foundation
import Testing

/// What a program printed, and how it ended.
struct Output: Sendable {
    let status: Int32
    let isSignalled: Bool
    let standardOutput: String
    let standardError: String

    /// Everything, for messages of failed expectations.
    var all: String { "exit \(status)\n\(standardOutput)\n\(standardError)" }
}

/// A program that runs in the background.
final class RunningProgram: @unchecked Sendable {
    // Process is not Sendable; it is only touched by the test that started it.
    let process: Process
    private let output: URL
    private let errors: URL

    fileprivate init(process: Process, output: URL, errors: URL) {
        self.process = process
        self.output = output
        self.errors = errors
    }

    var id: Int32 { process.processIdentifier }

    /// What it has printed on standard error so far.
    var standardError: String { (try? String(contentsOf: errors, encoding: .utf8)) ?? "" }

    func signal(_ number: Int32) { kill(id, number) }

    func wait() async -> Output {
        while process.isRunning { try? await Task.sleep(for: .milliseconds(20)) }
        let result = Output(
            status: process.terminationStatus, isSignalled: process.terminationReason == .uncaughtSignal,
            standardOutput: (try? String(contentsOf: output, encoding: .utf8)) ?? "", standardError: standardError)
        try? FileManager.default.removeItem(at: output)
        try? FileManager.default.removeItem(at: errors)
        return result
    }

    /// Waits until standard error holds `text`.
    func waitForStandardError(_ text: String) async throws {
        while !standardError.contains(text) {
            try #require(process.isRunning, "ended before it said '\(text)': \(standardError)")
            try await Task.sleep(for: .milliseconds(10))
        }
    }
}

/// The programs that the tests run.
enum Tool {
    /// The command line that was built with the tests.
    static func stemma() throws -> String {
        let directory = URL(fileURLWithPath: CommandLine.arguments.first ?? "").deletingLastPathComponent().path
        for candidate in [directory, Bundle.main.bundlePath] {
            if FileManager.default.isExecutableFile(atPath: candidate + "/stemma") { return candidate + "/stemma" }
        }
        throw MissingTool(name: "stemma", directory: directory)
    }

    /// The top of the repository.
    static var repository: URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
    }

    /// A file of the repository.
    static func path(_ relative: String) -> String { repository.appendingPathComponent(relative).path }

    static func start(
        _ executable: String, _ arguments: [String], environment: [String: String] = [:]
    ) throws -> RunningProgram {
        let scratch = FileManager.default.temporaryDirectory
        let output = scratch.appendingPathComponent("out-\(UUID().uuidString)")
        let errors = scratch.appendingPathComponent("err-\(UUID().uuidString)")
        for file in [output, errors] { try Data().write(to: file) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = try FileHandle(forWritingTo: errors)
        try process.run()
        return RunningProgram(process: process, output: output, errors: errors)
    }

    static func run(
        _ executable: String, _ arguments: [String], environment: [String: String] = [:]
    ) async throws -> Output {
        try await start(executable, arguments, environment: environment).wait()
    }

    struct MissingTool: Error, CustomStringConvertible {
        let name: String
        let directory: String
        var description: String { "\(name) is not in \(directory); build the package with its tests" }
    }
}

/// A home of Stemma that goes away after the test.
final class TestHome: Sendable {
    let path: String

    init() throws {
        path =
            FileManager.default.temporaryDirectory.appendingPathComponent("stemma-\(UUID().uuidString.prefix(8))").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Starts `stemma` with this home.
    func start(_ arguments: String...) throws -> RunningProgram {
        try Tool.start(Tool.stemma(), arguments, environment: ["STEMMA_HOME": path])
    }

    /// Runs `stemma` to its end.
    @discardableResult
    func stemma(_ arguments: String..., expecting status: Int32 = 0, at place: SourceLocation = #_sourceLocation)
        async throws
        -> Output
    {
        let output = try await Tool.run(Tool.stemma(), arguments, environment: ["STEMMA_HOME": path])
        #expect(
            output.status == status && !output.isSignalled, "stemma \(arguments.joined(separator: " ")): \(output.all)",
            sourceLocation: place)
        return output
    }

    /// The names of a VM's snapshots.
    func snapshots(of vm: String) async throws -> [String] {
        struct Listing: Decodable { let name: String }
        let output = try await stemma("snapshot", "list", vm, "--json")
        return try JSONDecoder().decode([Listing].self, from: Data(output.standardOutput.utf8)).map(\.name)
    }
}
