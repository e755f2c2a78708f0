import EngineBenchmark
import Foundation
import ImageRecipe
import Machine
import Testing
import Workflow

/// The directory of this package.
let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

/// A directory that goes away with its owner.
struct Scratch: ~Copyable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/stemma-engine-bench-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// The recipe's programs, and what comes out of them in the engine.
@Suite struct BareRunTests {
    /// Compiles a program with the recipe's flags, to do its work once.
    private func compile(_ name: String, in scratch: borrowing Scratch) throws -> String {
        let recipe = try Recipe(contentsOf: repository + "/images/engine-benchmark.yaml")
        var program = try #require(
            recipe.direct?.initramfs.content.programs.first { $0.path == "/bin/" + name }, "\(name) is in the recipe")
        guard case .compiled(let source, let flags) = program.origin else {
            Issue.record("\(name) is compiled")
            return ""
        }
        program.origin = .compiled(source: source, flags: flags + ["-DREPETITIONS=1"])
        var tree = FileTree()
        try ProgramBuilder(directory: repository + "/images", scratch: scratch.path).add(program, to: &tree)
        guard case .file(_, .file(let path)) = tree.entries[program.path] else {
            Issue.record("\(name) is a file")
            return ""
        }
        return path
    }

    private func elf(_ name: String, in scratch: borrowing Scratch) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: compile(name, in: scratch))))
    }

    @Test(arguments: Workload.allCases.filter(\.isFreestanding))
    func bothEnginesGiveTheRightResultWithTheSameInstructions(_ workload: Workload) throws {
        let scratch = try Scratch()
        let program = BareProgram(elf: try elf(workload.rawValue, in: scratch))
        let native = try program.run(usesMachineCode: true, limit: 1_000_000_000)
        #expect(native.output == workload.expected + "\n")
        #expect(native.status == 0)
        let interpreted = try program.run(usesMachineCode: false, limit: 1_000_000_000)
        #expect(interpreted.output == native.output)
        #expect(interpreted.instructions == native.instructions)
    }

    @Test func aProgramThatDoesNotEndIsGivenUp() throws {
        let scratch = try Scratch()
        let program = BareProgram(elf: try elf("sieve", in: scratch))
        let error = #expect(throws: WorkflowError.self) { try program.run(usesMachineCode: true, limit: 1_000_000) }
        #expect(error?.message.contains("did not end within 1000000 instructions") == true)
    }

    @Test func whatIsNoProgramIsRefused() throws {
        #expect(throws: WorkflowError.self) {
            try BareProgram(elf: [1, 2, 3]).run(usesMachineCode: true, limit: 1000)
        }
    }

    /// The text of the guest: what `sort` and `gzip` are given.
    @Test func theTextIsTheOneThatIsExpected() throws {
        let scratch = try Scratch()
        let output = scratch.path + "/text"
        #expect(FileManager.default.createFile(atPath: output, contents: nil))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try compile("text", in: scratch))
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: output))
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        let text = try Data(contentsOf: URL(fileURLWithPath: output))
        #expect(text.count { $0 == UInt8(ascii: "\n") } == 40_000)
        let lines = text.split(separator: UInt8(ascii: "\n")).sorted { $0.lexicographicallyPrecedes($1) }
        let sorted = lines.flatMap { $0 + [UInt8(ascii: "\n")] }
        #expect(try digest(Data(text), scratch.path) == Workload.textDigest)
        #expect(try digest(Data(sorted), scratch.path) == Workload.sort.expected)
    }

    /// SHA-256 by the system's program.
    private func digest(_ data: Data, _ scratch: String) throws -> String {
        let file = scratch + "/" + UUID().uuidString
        try data.write(to: URL(fileURLWithPath: file))
        let pipe = Pipe()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/sha256sum")
        process.arguments = [file]
        process.standardOutput = pipe
        try process.run()
        let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return String(decoding: output.prefix(64), as: UTF8.self)
    }
}
