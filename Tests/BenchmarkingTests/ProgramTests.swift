import Benchmarking
import Foundation
import Testing
import Workflow

@Suite struct ProgramTests {
    private func scratch() throws -> String {
        let path = FileManager.default.temporaryDirectory.path + "/stemma-bench-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    @Test func aProgramIsTimedAndItsMemoryCounted() throws {
        let scratch = try scratch()
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        let usage = try Program(path: "/bin/sh", arguments: ["-c", "sleep 0.2; echo out; echo err >&2"])
            .run(scratch: scratch)
        #expect(usage.seconds >= 0.2)
        #expect(usage.output == "out\n")
        #expect(usage.errors == "err\n")
        #expect(usage.peakBytes > 100_000)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch).isEmpty)
    }

    @Test func aProgramThatFailsSaysWhy() throws {
        let scratch = try scratch()
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        let error = #expect(throws: WorkflowError.self) {
            try Program(path: "/bin/sh", arguments: ["-c", "echo broken >&2; exit 3"]).run(scratch: scratch)
        }
        #expect(error?.message.contains("status 3") == true)
        #expect(error?.message.contains("broken") == true)
    }

    @Test func aServerIsAwaitedAndEnded() throws {
        let scratch = try scratch()
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        do {
            let server = try BackgroundProgram(
                Program(path: "/bin/sh", arguments: ["-c", "echo ready; exec sleep 600"]), scratch: scratch)
            try server.wait(for: "its sign", seconds: 30) { server.output.contains("ready") ? () : nil }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch).isEmpty)
        let server = try BackgroundProgram(Program(path: "/bin/sh", arguments: ["-c", "exit 1"]), scratch: scratch)
        let error = #expect(throws: WorkflowError.self) {
            try server.wait(for: "its sign", seconds: 30) { nil as Int? }
        }
        #expect(error?.message.contains("ended before its sign") == true)
    }
}
