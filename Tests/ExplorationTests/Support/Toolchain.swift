import Foundation
import Testing

/// gcc and objcopy for guest programs.
enum Toolchain {
    /// A linked program: the bytes from its load address on, and its entry point.
    struct Program {
        var bytes: [UInt8]
        var entry: UInt64
    }

    static let loadAddress: UInt64 = 0x10_0000

    /// What a guest program of the tests may use: the hypercalls of `GuestHypercall`.
    static let prelude = """
        typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long u64;
        #define CALL(n, a, b, c) ({ long r_; __asm__ volatile(".byte 0x0f,0x1f,0x84,0x00\\n.long 0x534d0000+" #n \\
            : "=a"(r_) : "0"(0L), "D"(a), "S"(b), "d"(c) : "memory"); r_; })
        #define VERSION() CALL(0, 0L, 0L, 0L)
        #define SYMBOLIC(p, size, name) CALL(1, p, (u64)(size), name)
        #define ASSUME(c) CALL(2, (u64)(c), 0L, 0L)
        #define PRINT(text) CALL(3, text, 0L, 0L)
        #define END(status, text) CALL(4, (u64)(status), text, 0L)
        #define PATH() CALL(5, 0L, 0L, 0L)
        #define NOINLINE __attribute__((noinline))

        """

    /// Compiles C (after the prelude) with gcc -O2, linked at the load address with the entry `start`.
    static func compile(_ source: String, options: [String] = []) throws -> Program {
        try build(
            prelude + source, suffix: "c",
            options: [
                "-O2", "-ffreestanding", "-fno-builtin", "-fno-stack-protector", "-fcf-protection=none",
                "-fno-asynchronous-unwind-tables", "-w",
            ] + options)
    }

    /// Assembles Intel syntax; the first instruction is the entry.
    static func assemble(_ source: String) throws -> Program {
        try build(
            ".intel_syntax noprefix\n.text\n.globl start\nstart:\n" + source + "\n", suffix: "s", options: [])
    }

    private static func build(_ source: String, suffix: String, options: [String]) throws -> Program {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("stemma-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appendingPathComponent("program.\(suffix)")
        try source.write(to: file, atomically: true, encoding: .utf8)
        let linked = directory.appendingPathComponent("program").path
        try run(
            "gcc",
            options + [
                "-static", "-fno-pie", "-no-pie", "-nostdlib", "-Wl,-N,-e,start,--build-id=none,--no-warn-rwx-segments",
                "-Wl,-Ttext=0x\(String(loadAddress, radix: 16))", "-o", linked, file.path,
            ])
        let flat = directory.appendingPathComponent("flat").path
        try run("objcopy", ["-O", "binary", linked, flat])
        let elf = [UInt8](try Data(contentsOf: URL(fileURLWithPath: linked)))
        let entry = (0..<8).reduce(UInt64(0)) { $0 | UInt64(elf[24 + $1]) << UInt64(8 * $1) }
        return Program(bytes: [UInt8](try Data(contentsOf: URL(fileURLWithPath: flat))), entry: entry)
    }

    private static func run(_ tool: String, _ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [tool] + arguments
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "\(tool) \(arguments.joined(separator: " ")) failed")
    }
}
