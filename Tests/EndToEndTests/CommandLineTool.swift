import Foundation
import Glibc
import Synchronization
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
///
/// Started by `posix_spawn`, because Foundation's `Process` hands its own descriptors and signal mask to what it starts.
final class RunningProgram: Sendable {
    let id: pid_t
    private let output: URL
    private let errors: URL
    private let status = Mutex<Int32?>(nil)

    fileprivate init(_ executable: String, _ arguments: [String], environment: [String: String]) throws {
        let scratch = FileManager.default.temporaryDirectory
        output = scratch.appendingPathComponent("out-\(UUID().uuidString)")
        errors = scratch.appendingPathComponent("err-\(UUID().uuidString)")
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        let create = O_WRONLY | O_CREAT | O_TRUNC
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output.path, create, 0o600)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors.path, create, 0o600)
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let words = ([executable] + arguments).map { strdup($0) }
        let settings = variables.map { strdup("\($0)=\($1)") }
        defer { for text in words + settings { free(text) } }
        var id: pid_t = 0
        let failure = posix_spawn(&id, executable, &actions, &attributes, words + [nil], settings + [nil])
        guard failure == 0 else {
            throw Tool.MissingTool(name: executable, directory: String(cString: strerror(failure)))
        }
        self.id = id
    }

    deinit {
        try? FileManager.default.removeItem(at: output)
        try? FileManager.default.removeItem(at: errors)
    }

    /// What it has printed on standard error so far.
    var standardError: String { (try? String(contentsOf: errors, encoding: .utf8)) ?? "" }

    /// What it has printed on standard output so far.
    var standardOutput: String { (try? String(contentsOf: output, encoding: .utf8)) ?? "" }

    func signal(_ number: Int32) { kill(id, number) }

    private var hasEnded: Bool {
        status.withLock { status in
            if status != nil { return true }
            var value: Int32 = 0
            guard waitpid(id, &value, WNOHANG) == id else { return false }
            status = value
            return true
        }
    }

    func wait() async -> Output {
        while !hasEnded { try? await Task.sleep(for: .milliseconds(10)) }
        let status = status.withLock { $0 } ?? 0
        let isSignalled = status & 0x7F != 0
        return Output(
            status: isSignalled ? status & 0x7F : (status >> 8) & 0xFF, isSignalled: isSignalled,
            standardOutput: (try? String(contentsOf: output, encoding: .utf8)) ?? "", standardError: standardError)
    }

    /// Waits until standard error holds `text`.
    func waitForStandardError(_ text: String) async throws {
        while !standardError.contains(text) {
            try #require(!hasEnded, "ended before it said '\(text)': \(standardError)")
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
        try RunningProgram(executable, arguments, environment: environment)
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
        try await stemma(arguments, expecting: status, at: place)
    }

    /// Runs `stemma` with these arguments on this home.
    @discardableResult
    func stemma(_ arguments: [String], expecting status: Int32 = 0, at place: SourceLocation = #_sourceLocation)
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
