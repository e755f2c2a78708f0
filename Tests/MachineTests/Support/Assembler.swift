import Foundation
import Testing

/// GNU as through gcc: Intel syntax in, bytes out.
enum Assembler {
    /// The bytes of each line, assembled separately (lines must not refer to each other).
    static func assemble(_ lines: [String], bits: Int = 64) throws -> [[UInt8]] {
        var text = ".code\(bits)\n.intel_syntax noprefix\n.text\n"
        for line in lines {
            text += "1: \(line)\n2:\n.section .lengths,\"a\"\n.byte 2b-1b\n.text\n"
        }
        let (code, lengths) = try sections(text, [".text", ".lengths"])
        var result: [[UInt8]] = []
        var offset = 0
        for length in lengths {
            result.append(Array(code[offset..<offset + Int(length)]))
            offset += Int(length)
        }
        return result
    }

    /// One program, labels allowed, linked at address 0 or compiled from C when `isC`.
    static func program(_ source: String) throws -> [UInt8] {
        try sections(".intel_syntax noprefix\n.text\n" + source + "\n", [".text", ".text"]).0
    }

    private static func sections(_ text: String, _ names: [String]) throws -> ([UInt8], [UInt8]) {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("stemma-as-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let source = directory.appendingPathComponent("code.s")
        try text.write(to: source, atomically: true, encoding: .utf8)
        let object = directory.appendingPathComponent("code.o").path
        try run("gcc", ["-c", "-o", object, source.path])
        var parts: [[UInt8]] = []
        for (index, name) in names.enumerated() {
            let output = directory.appendingPathComponent("part\(index)")
            try run("objcopy", ["-O", "binary", "-j", name, object, output.path])
            parts.append([UInt8](try Data(contentsOf: output)))
        }
        return (parts[0], parts[1])
    }

    static func run(_ tool: String, _ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [tool] + arguments
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "\(tool) \(arguments.joined(separator: " ")) failed")
    }
}
