import Foundation

/// Runs the programs that the tests compare with.
enum Tool {
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// Runs a program from `PATH` and answers its standard output.
    ///
    /// - Throws: ``Failure`` with both outputs when the program is missing or fails.
    @discardableResult
    static func run(_ program: String, _ arguments: [String], in directory: String? = nil) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [program] + arguments
        if let directory { process.currentDirectoryURL = URL(fileURLWithPath: directory) }
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failure(description: "\(program) \(arguments) failed: \(text)")
        }
        return text
    }

    static func qemuImg(_ arguments: String...) throws { try run("qemu-img", arguments) }

    /// Runs qemu-io commands on an image in their order.
    static func qemuIO(_ path: String, format: String = "qcow2", _ commands: [String]) throws {
        try run("qemu-io", ["-f", format] + commands.flatMap { ["-c", $0] } + [path])
    }

    /// The disk's bytes by QEMU's reading.
    static func contents(of path: String, format: String = "qcow2", snapshot: String? = nil) throws -> [UInt8] {
        let raw = path + ".\(UUID().uuidString).raw"
        defer { try? FileManager.default.removeItem(atPath: raw) }
        let selection = snapshot.map { ["-l", $0] } ?? []
        try run("qemu-img", ["convert", "-f", format] + selection + ["-O", "raw", path, raw])
        return try [UInt8](Data(contentsOf: URL(fileURLWithPath: raw)))
    }

    /// Ranges that QEMU calls data in a whole chain.
    static func dataRanges(of path: String, format: String = "qcow2") throws -> [Range<UInt64>] {
        struct Entry: Decodable {
            var start: UInt64
            var length: UInt64
            var data: Bool
        }
        let json = try run("qemu-img", ["map", "--output=json", "-f", format, path])
        let entries = try JSONDecoder().decode([Entry].self, from: Data(json.utf8))
        return entries.filter(\.data).map { $0.start..<$0.start + $0.length }
    }
}
