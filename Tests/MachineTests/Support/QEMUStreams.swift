import Foundation
import Machine
import Testing
import VMState

/// Streams of machines that a real QEMU has made and not started, and what QEMU makes of streams.
enum QEMUStreams {
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    static let pc = ["-machine", "pc-i440fx-7.2", "-m", "2", "-cpu", "max", "-smp", "2"] + devices
    static let q35 = ["-machine", "pc-q35-7.2", "-m", "2", "-cpu", "max", "-smp", "2"] + devices
    private static let devices = [
        "-serial", "null", "-drive", "driver=null-co,size=1M,if=none,id=disk,read-zeroes=on",
        "-device", "virtio-blk-pci,drive=disk", "-device", "virtio-rng-pci", "-device", "virtio-net-pci",
        "-device", "e1000", "-device", "VGA",
    ]

    /// The stream of a new machine, with its memory.
    static func make(_ arguments: [String]) throws -> (stream: MigrationStream, pages: RAMPageTable) {
        let directory = try Directory()
        try converse(arguments + ["-S"]) { ask in try save(directory.path + "/made", ask) }
        return try read(directory.path + "/made")
    }

    /// The stream that QEMU saves after it has loaded this one.
    static func reload(
        _ stream: MigrationStream, _ pages: RAMPageTable, _ arguments: [String]
    ) throws -> MigrationStream {
        let directory = try Directory()
        var pages = pages
        var output = try FileByteOutput(path: directory.path + "/given")
        try MigrationStreamWriter().write(stream, pages: &pages, to: &output)
        try output.synchronize()
        try converse(arguments + ["-S", "-incoming", "exec:cat \(directory.path)/given"]) { ask in
            while true {
                let status = try ask("query-status", [:]) as? [String: Any]
                if status?["status"] as? String != "inmigrate" { break }
                usleep(20_000)
            }
            try save(directory.path + "/saved", ask)
        }
        return try read(directory.path + "/saved").0
    }

    private typealias Ask = (String, [String: Any]) throws -> Any

    private static func save(_ path: String, _ ask: Ask) throws {
        _ = try ask("migrate", ["uri": "exec:cat > \(path)"])
        while true {
            let answer = try ask("query-migrate", [:]) as? [String: Any]
            switch answer?["status"] as? String {
            case "completed": return
            case "failed", "cancelled": throw Failure(description: "migrate: \(answer ?? [:])")
            default: usleep(20_000)
            }
        }
    }

    private static func read(_ path: String) throws -> (MigrationStream, RAMPageTable) {
        var pages = RAMPageTable()
        let stream = try MigrationStreamReader(try FileByteSource(path: path)).read(pages: &pages)
        return (stream, pages)
    }

    /// Runs QEMU for as long as `body` asks it things over QMP.
    private static func converse(_ arguments: [String], _ body: (Ask) throws -> Void) throws {
        let process = Process()
        let (input, output, errors) = (Pipe(), Pipe(), Pipe())
        // A QEMU that has refused its stream is gone when the next command is written.
        signal(SIGPIPE, SIG_IGN)
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments =
            ["qemu-system-x86_64", "-accel", "tcg", "-display", "none", "-nodefaults", "-qmp", "stdio"] + arguments
        process.standardInput = input
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        defer {
            // Not SIGTERM, which a child may have inherited as blocked.
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
        }
        var pending = Data()
        func reply(_ keys: [String]) throws -> [String: Any] {
            while true {
                while let end = pending.firstIndex(of: 0x0A) {
                    let line = pending[pending.startIndex..<end]
                    pending = Data(pending[pending.index(after: end)...])
                    guard let object = try JSONSerialization.jsonObject(with: line) as? [String: Any] else { continue }
                    if keys.contains(where: { object[$0] != nil }) { return object }
                }
                let chunk = output.fileHandleForReading.availableData
                if chunk.isEmpty {
                    let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
                    throw Failure(description: "QEMU ended: \(text)")
                }
                pending.append(chunk)
            }
        }
        func ask(_ command: String, _ arguments: [String: Any]) throws -> Any {
            var line = try JSONSerialization.data(withJSONObject: ["execute": command, "arguments": arguments])
            line.append(0x0A)
            try? input.fileHandleForWriting.write(contentsOf: line)
            let answer = try reply(["return", "error"])
            guard let value = answer["return"] else { throw Failure(description: "\(command): \(answer)") }
            return value
        }
        _ = try reply(["QMP"])
        _ = try ask("qmp_capabilities", [:])
        try body(ask)
    }

    private final class Directory {
        let path = NSTemporaryDirectory() + "/stemma-\(UUID().uuidString)"

        init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

        deinit { try? FileManager.default.removeItem(atPath: path) }
    }
}

extension MigrationStream {
    /// A machine of the stream with empty memory of 2 MiB.
    func machine(_ options: MachineOptions = .wholeMachine) throws -> Machine {
        let source = MemoryPageSource(regions: [MemoryRegion(name: "pc.ram", start: 0, byteCount: 2 << 20)])
        return try Machine(self, base: try BaseMemory(source: source), options: options)
    }
}
