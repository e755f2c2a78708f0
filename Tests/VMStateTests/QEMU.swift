import Foundation
import Testing

/// A QEMU process under TCG that the tests drive over QMP on its standard input and output.
final class QEMU {
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    private let errors = Pipe()
    private var pending = Data()

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// - Parameter program: its name or path; that of the machine, unless said otherwise.
    init(_ arguments: [String], program: String = "qemu-system-x86_64") throws {
        // A QEMU that refused its snapshot is gone when the next command is written.
        signal(SIGPIPE, SIG_IGN)
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments =
            [program, "-accel", "tcg", "-display", "none", "-nodefaults", "-qmp", "stdio"] + arguments
        process.standardInput = input
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        _ = try reply(where: { $0["QMP"] != nil })
        try execute("qmp_capabilities")
    }

    /// Runs a QMP command.
    @discardableResult
    func execute(_ command: String, _ arguments: [String: Any] = [:]) throws -> Any {
        var line = try JSONSerialization.data(withJSONObject: ["execute": command, "arguments": arguments])
        line.append(0x0a)
        // If QEMU is gone, the reply says why.
        try? input.fileHandleForWriting.write(contentsOf: line)
        let answer = try reply(where: { $0["return"] != nil || $0["error"] != nil })
        guard let value = answer["return"] else { throw Failure(description: "\(command): \(answer)") }
        return value
    }

    /// Runs a command of the human monitor; its output is empty when it succeeds without results.
    @discardableResult
    func monitor(_ line: String) throws -> String {
        try #require(try execute("human-monitor-command", ["command-line": line]) as? String)
    }

    /// Run state, `running` or `paused` for example.
    func status() throws -> String {
        let answer = try #require(try execute("query-status") as? [String: Any])
        return try #require(answer["status"] as? String)
    }

    /// Writes the state with `migrate`, and waits until that is done.
    func migrate(to path: String) throws { try migrate(uri: "exec:cat > \(path)") }

    /// Writes the state to where QEMU's `migrate` takes it, and waits until that is done.
    func migrate(uri: String) throws {
        try execute("migrate", ["uri": uri])
        while true {
            let answer = try #require(try execute("query-migrate") as? [String: Any])
            switch answer["status"] as? String {
            case "completed": return
            case "failed", "cancelled": throw Failure(description: "migrate: \(answer)")
            default: usleep(20_000)
            }
        }
    }

    /// Lets the guest run for a while. The length has no meaning for any expectation.
    func run(milliseconds: UInt32) { usleep(milliseconds * 1000) }

    /// Waits until an incoming migration is over, and says in which state the guest is.
    func incomingStatus() throws -> String {
        while true {
            let status = try status()
            if status != "inmigrate" { return status }
            usleep(20_000)
        }
    }

    func quit() {
        _ = try? execute("quit")
        process.waitUntilExit()
    }

    deinit {
        if process.isRunning {
            // Not SIGTERM, which a child may have inherited as blocked.
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
        }
    }

    private func reply(where matches: ([String: Any]) -> Bool) throws -> [String: Any] {
        while true {
            while let end = pending.firstIndex(of: 0x0a) {
                let line = pending[pending.startIndex..<end]
                pending = Data(pending[pending.index(after: end)...])
                guard let object = try JSONSerialization.jsonObject(with: line) as? [String: Any] else { continue }
                if matches(object) { return object }
            }
            let chunk = output.fileHandleForReading.availableData
            if chunk.isEmpty {
                let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
                throw Failure(description: "QEMU ended: \(text)")
            }
            pending.append(chunk)
        }
    }
}

/// A directory that is removed when its owner goes.
final class TemporaryDirectory {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "/stemma-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    subscript(name: String) -> String { "\(path)/\(name)" }
}

/// Runs a command to its end and returns what it printed.
@discardableResult
func run(_ command: String...) throws -> String {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let text = String(decoding: data, as: UTF8.self)
    guard process.terminationStatus == 0 else { throw QEMU.Failure(description: "\(command): \(text)") }
    return text
}
