import Foundation
import Hypervisor
import Testing

@Suite struct InteractiveTests {
    /// The interactive command line in a pseudo-terminal: guest output, Ctrl-a c, savevm, quit.
    @Test func monitorOnTheTerminal() async throws {
        try await Laboratory.with { lab in
            let run = try lab.newRun()
            let options = LaunchOptions(console: .interactive, bootFiles: .init(kernel: lab.kernel))
            let command = try QEMUCommandLine(
                executable: lab.installation.system, name: "vm", configuration: Laboratory.kernelMachine,
                options: options, paths: run.paths)
            try ImageTool.createOverlay(
                at: run.paths.machineStateImage, on: .empty(size: 1 << 20))
            let input = Pipe()
            let output = Pipe()
            let terminal = Process()
            // script(1) of util-linux runs a command in a new pseudo-terminal.
            terminal.executableURL = URL(fileURLWithPath: "/usr/bin/script")
            terminal.arguments = ["-q", "-e", "-c", "exec " + command.shellText, "/dev/null"]
            terminal.standardInput = input
            terminal.standardOutput = output
            try terminal.run()
            defer { if terminal.isRunning { kill(terminal.processIdentifier, SIGKILL) } }
            func wait(for text: String) async throws {
                for _ in 0..<3_000 {
                    if try String(contentsOfFile: run.paths.serialLog, encoding: .utf8).contains(text) { return }
                    try await Task.sleep(for: .milliseconds(20))
                }
                Issue.record("'\(text)' did not appear")
            }
            while !FileManager.default.fileExists(atPath: run.paths.serialLog) {
                try #require(terminal.isRunning)
                try await Task.sleep(for: .milliseconds(10))
            }
            try await wait(for: "READY")
            try input.fileHandleForWriting.write(contentsOf: Data([0x01, UInt8(ascii: "c")]))
            try await wait(for: "(qemu)")
            try input.fileHandleForWriting.write(contentsOf: Data("savevm typed\r".utf8))
            try input.fileHandleForWriting.write(contentsOf: Data("quit\r".utf8))
            let seen = try output.fileHandleForReading.readToEnd() ?? Data()
            #expect(String(decoding: seen, as: UTF8.self).contains("savevm typed"))
            let snapshots = try await lab.installation.images.snapshots(
                in: [(node: "vmstate", path: run.paths.machineStateImage)])
            #expect(snapshots.map(\.name) == ["typed"])
            #expect(snapshots.first?.machineStateNode == "vmstate")
        }
    }
}
