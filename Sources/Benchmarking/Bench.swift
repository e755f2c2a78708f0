import Foundation
import Workflow

/// Where a benchmark works: its scratch directory, the programs that it runs, and this program.
///
/// The directory goes away with its last owner.
package final class ScratchPlace: Sendable {
    package let path: String
    /// Paths of the programs, by name.
    package let tools: [String: String]
    /// This program.
    package let executable: String

    /// - Parameter parent: where the directory is made; nil for the system's directory for temporary files.
    package init(under parent: String?, tools: [String: String]) throws {
        self.tools = tools
        executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let parent = URL(fileURLWithPath: parent ?? FileManager.default.temporaryDirectory.path)
            .standardizedFileURL.path
        path = parent + "/stemma-benchmark-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }
}

/// What the rows of a benchmark share: files, programs, and how things are timed.
package protocol Bench: Sendable {
    var place: ScratchPlace { get }
    var progress: ProgressLog { get }
}

extension Bench {
    /// The scratch directory.
    package var scratch: String { place.path }

    // MARK: - Programs

    /// A verb of this program, with a home of its own.
    package func stemma(_ arguments: [String], home: String) -> Program {
        Program(path: place.executable, arguments: arguments + ["--home", home, "--quiet"])
    }

    /// A part of a verb that is measured by itself, in a process of its own.
    package func worker(_ arguments: [String], home: String) -> Program {
        stemma(["benchmark", "worker"] + arguments, home: home)
    }

    package func tool(_ requirement: Requirement, _ arguments: [String], environment: [String: String] = [:]) -> Program
    {
        Program(
            path: place.tools[requirement.program] ?? requirement.program, arguments: arguments,
            environment: environment)
    }

    /// The text of a command, with paths below the scratch directory made short.
    package func text(_ program: Program) -> String {
        program.text.replacing(scratch + "/", with: "").replacing(" --quiet", with: "")
    }

    @discardableResult
    package func run(_ program: Program) throws -> Program.Usage { try program.run(scratch: scratch) }

    // MARK: - Time

    /// Seconds that the commands take one after the other, with the writing of what they left in the page cache.
    package func time(_ programs: [Program]) throws -> Double {
        try synchronize()
        let clock = ContinuousClock()
        let start = clock.now
        for program in programs { try run(program) }
        try synchronize()
        return (clock.now - start) / .seconds(1)
    }

    /// Writes what is in the page cache to the file system of the scratch directory.
    package func synchronize() throws {
        // coreutils' way to call syncfs, which is hidden from Swift (_GNU_SOURCE).
        try run(Program(path: "/bin/sync", arguments: ["-f", scratch]))
    }

    // MARK: - Files

    package func path(_ name: String) -> String { scratch + "/" + name }

    package func remove(_ names: String...) {
        for name in names { try? FileManager.default.removeItem(atPath: path(name)) }
    }

    /// A directory that is new.
    package func directory(_ name: String) throws -> String {
        remove(name)
        try FileManager.default.createDirectory(atPath: path(name), withIntermediateDirectories: true)
        return path(name)
    }

    /// The name of the file system's type, for people.
    package var fileSystem: String {
        let program = Program(path: "/usr/bin/stat", arguments: ["-f", "-c", "%T", scratch])
        return (try? run(program).output.trimmingCharacters(in: .whitespacesAndNewlines)) ?? "unknown"
    }

    package func describeMachine(_ tools: [Requirement]) -> MachineDescription {
        var machine = MachineDescription()
        func lines(_ path: String) -> [Substring] {
            String(decoding: (try? Data(contentsOf: URL(fileURLWithPath: path))) ?? Data(), as: UTF8.self)
                .split(separator: "\n")
        }
        let models = lines("/proc/cpuinfo").filter { $0.hasPrefix("model name") }
        machine.processor =
            models.first?.split(separator: ":").last.map {
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
