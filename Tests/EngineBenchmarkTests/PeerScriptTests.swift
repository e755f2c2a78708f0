import EngineBenchmark
import Foundation
import Testing

/// The script that runs bare programs in other emulators, with an emulator of the tests' own, which needs no package.
@Suite struct PeerScriptTests {
    private static let script = repository + "/Sources/EngineBenchmark/Peers/bare-program.py"

    /// Runs Python with the script loaded as the module `bare`.
    private func python(_ code: String) throws -> (status: Int32, output: String) {
        let load = """
            import importlib.util, sys
            spec = importlib.util.spec_from_file_location("bare", sys.argv[1])
            bare = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(bare)

            """
        return try run(["-c", load + code, Self.script])
    }

    private func run(_ words: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        // No compiled copy is left in the sources.
        process.arguments = ["python3", "-B"] + words
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }

    @Test func wrongUseAndMissingPackagesAreExplained() throws {
        let usage = try run([Self.script, "bochs", "/bin/true"])
        #expect(usage.status == 1)
        #expect(usage.output.contains("usage: bare-program.py unicorn|icicle"))
        #expect(try run([Self.script, "unicorn"]).output.contains("usage:"))
        // Without the directories that packages are installed in.
        let missing = try run(["-S", "-E", Self.script, "unicorn", "/bin/true"])
        #expect(missing.status == 1)
        #expect(missing.output == "ModuleNotFoundError: No module named 'unicorn'\n")
    }

    /// An emulator that does what `steps` say: lists of registers, one for each system call.
    private static let emulator = """
        class Emulator:
            version = "1.0"
            instructions = 42
            def __init__(self, steps):
                self.memory, self.registers, self.steps, self.maps, self.answers = {}, {}, steps, [], []
            def map(self, address, size, rights=3): self.maps.append((address, size, rights))
            def read(self, address, size): return bytes(self.memory.get(address + i, 0) for i in range(size))
            def write(self, address, data): self.memory.update((address + i, byte) for i, byte in enumerate(data))
            def get(self, register): return self.registers.get(register, 0)
            def set(self, register, value): self.registers[register] = value
            def set_thread_pointer(self, address): self.registers["fs"] = address
            def run(self, entry, system_call):
                self.entry = entry
                for step in self.steps:
                    self.registers.update(zip(("rax", "rdi", "rsi", "rdx", "r10"), step))
                    if not system_call(): return
                    self.answers.append(self.registers["rax"])

        """

    @Test func aProgramIsLoadedAnsweredAndReported() throws {
        let scratch = try Scratch()
        let file = scratch.path + "/file"
        try Data("abc".utf8).write(to: URL(fileURLWithPath: file))
        let elf = scratch.path + "/elf"
        try Data(Self.program).write(to: URL(fileURLWithPath: elf))
        let result = try python(
            Self.emulator + """
                # open, read, read at the end, write, close, an unknown descriptor, exit
                steps = [(2, 0x400078), (0, 3, 0x500000, 10), (0, 3, 0x500000, 10), (1, 1, 0x500000, 3), (3, 3)]
                steps += [(0, 9, 0x500000, 1), (60, 7)]
                emulator = Emulator(steps)
                bare.UnicornEmulator = lambda: emulator
                bare.main(["unicorn", "--file", "/f=\(file)", "\(elf)", "word"])
                answers = [a - (1 << 64) if a >> 63 else a for a in emulator.answers]
                print(answers, hex(emulator.entry), emulator.maps[0])
                stack = emulator.registers["rsp"]
                count, first, second, end = (int.from_bytes(emulator.read(stack + 8 * i, 8), "little") for i in range(4))
                print(count, emulator.read(second, 5), end, stack % 16)
                """)
        #expect(result.status == 0, "\(result.output)")
        let lines = result.output.split(separator: "\n").map(String.init)
        try #require(lines.count == 3, "\(result.output)")
        struct Report: Decodable {
            var engine: String, version: String, seconds: Double, status: Int, output: Data, instructions: Int?
        }
        let report = try JSONDecoder().decode(Report.self, from: Data(lines[0].utf8))
        #expect(report.engine == "unicorn")
        #expect(report.version == "1.0")
        #expect(report.status == 7)
        #expect(report.output == Data("abc".utf8))
        #expect(report.instructions == 42)
        #expect(report.seconds >= 0)
        #expect(lines[1] == "[3, 3, 0, 3, 0, -9] 0x400080 (4194304, 4096, 5)")
        #expect(lines[2] == "2 b'word\\x00' 0 0")
    }

    @Test func aSystemCallWithoutAnAnswerIsNamed() throws {
        let scratch = try Scratch()
        let elf = scratch.path + "/elf"
        try Data(Self.program).write(to: URL(fileURLWithPath: elf))
        let result = try python(
            Self.emulator + """
                bare.UnicornEmulator = lambda: Emulator([(999,)])
                try:
                    bare.main(["unicorn", "\(elf)"])
                except bare.Failure as failure:
                    print(failure)
                """)
        #expect(result.output == "the program makes the system call 999, which is not answered here\n")
    }

    @Test func whatIsNoStaticProgramIsRefused() throws {
        let result = try python(
            Self.emulator + """
                bare.UnicornEmulator = lambda: Emulator([])
                try:
                    bare.main(["unicorn", "\(Self.script)"])
                except bare.Failure as failure:
                    print(failure)
                """)
        #expect(result.output.hasSuffix("is no 64-bit ELF program\n"))
    }

    /// One executable segment of 136 bytes at 0x400000, with a name in it at 0x78 and the entry at 0x80.
    private static var program: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 136)
        bytes.replaceSubrange(0..<5, with: [0x7F, 0x45, 0x4C, 0x46, 2])
        bytes[16] = 2
        bytes.replaceSubrange(24..<27, with: [0x80, 0, 0x40])
        bytes[32] = 64
        bytes[56] = 1
        // PT_LOAD, readable and executable; addresses at 16 and 24, sizes at 32 and 40 of the header.
        bytes[64] = 1
        bytes[68] = 5
        bytes[82] = 0x40
        bytes[90] = 0x40
        bytes[96] = 136
        bytes[104] = 136
        bytes.replaceSubrange(0x78..<0x7A, with: Array("/f".utf8))
        return bytes
    }
}
