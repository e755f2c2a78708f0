import Foundation
import Glibc

/// A tiny QEMU machine whose CPU is stopped at first, controlled over QMP on its standard streams.
final class StoppedMachine {
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    private var pending: [UInt8] = []

    /// Starts QEMU with one IDE disk.
    ///
    /// - Parameter arguments: More arguments, such as `-loadvm`.
    init(disk: String, _ arguments: [String] = []) throws {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments =
            [
                "qemu-system-x86_64", "-accel", "tcg", "-S", "-m", "16", "-nodefaults", "-display", "none", "-qmp",
                "stdio",
                "-drive", "file=\(disk),format=qcow2,if=ide",
            ] + arguments
        process.standardInput = input
        process.standardOutput = output
        process.standardError = output
        try process.run()
        _ = try line(containing: "\"QMP\"")
        try command(#"{"execute":"qmp_capabilities"}"#)
    }

    // The test runner blocks SIGTERM, and its children inherit that.
    deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

    /// Runs a command of the human monitor; its answer must be empty.
    func monitor(_ text: String) throws {
        let answer = try ask(text)
        guard answer.contains("\"return\": {}") || answer.contains("\"return\": \"\"") else {
            throw Failure(description: "\(text) answered \(answer)")
        }
    }

    /// Runs a command of the human monitor.
    ///
    /// - Returns: The JSON object with its answer.
    func ask(_ text: String) throws -> String {
        try command(#"{"execute":"human-monitor-command","arguments":{"command-line":"\#(text)"}}"#)
    }

    /// A word of guest-physical memory.
    func word(at address: UInt32) throws -> UInt32 {
        let answer = try ask("xp /1wx \(address)")
        guard let prefix = answer.range(of: ": 0x"),
            let word = UInt32(answer[prefix.upperBound...].prefix(8), radix: 16)
        else { throw Failure(description: "xp answered \(answer)") }
        return word
    }

    func quit() throws {
        try command(#"{"execute":"quit"}"#)
        process.waitUntilExit()
    }

    @discardableResult
    private func command(_ json: String) throws -> String {
        try input.fileHandleForWriting.write(contentsOf: Data((json + "\n").utf8))
        let answer = try line(containing: "\"return\"", or: "\"error\"")
        guard answer.contains("\"return\"") else { throw Failure(description: "\(json) answered \(answer)") }
        return answer
    }

    private func line(containing needles: String..., or other: String = "\u{0}") throws -> String {
        while true {
            while let end = pending.firstIndex(of: 10) {
                let text = String(decoding: pending[..<end], as: UTF8.self)
                pending.removeSubrange(...end)
                if needles.contains(where: text.contains) || text.contains(other) { return text }
            }
            let data = output.fileHandleForReading.availableData
            guard !data.isEmpty else {
                throw Failure(description: "qemu-system-x86_64 ended: \(String(decoding: pending, as: UTF8.self))")
            }
            pending.append(contentsOf: data)
        }
    }
}
