import Foundation
import Testing

/// The guest's C sources, outside a guest.
@Suite struct GuestProgramsTests {
    static let guest = repository + "/images/guest"
    static let warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]

    @Test(arguments: [
        ["-x", "c", "-std=c99"], ["-x", "c", "-std=gnu17", "-O2"], ["-x", "c", "-std=c11", "-ffreestanding", "-O0"],
        ["-x", "c++", "-std=c++11"],
        ["-x", "c", "-std=gnu11", "-D__KERNEL__", "-fno-pic", "-mcmodel=kernel", "-mno-sse"],
    ])
    func theHeaderCompilesEverywhere(flags: [String]) throws {
        let directory = try TemporaryDirectory()
        let source = try directory.write(
            """
            #include "stemma.h"
            unsigned long f(char *buffer, unsigned long size)
            {
                stemma_wait_for_engine("x");
                stemma_make_symbolic(buffer, size, "name");
                stemma_assume(buffer[0] != 0);
                stemma_print("text");
                stemma_end_path(0, 0);
                return stemma_version() + stemma_path_id();
            }
            """, to: "use.c")
        let compiler = flags.contains("c++") ? "g++" : "gcc"
        let (status, text) = try run(
            [compiler] + flags + Self.warnings + ["-I", Self.guest, "-c", "-o", directory.path + "/use.o", source],
            in: directory)
        #expect(status == 0, "\(text)")
    }

    @Test func aHypercallIsOneLongNop() throws {
        let directory = try TemporaryDirectory()
        let source = try directory.write(
            "#include \"stemma.h\"\nunsigned long f(void) { return stemma_path_id(); }", to: "use.c")
        let object = directory.path + "/use.o"
        let (status, _) = try run(["gcc", "-O2", "-I", Self.guest, "-c", "-o", object, source], in: directory)
        try #require(status == 0)
        let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: object)))
        let instruction: [UInt8] = [0x0F, 0x1F, 0x84, 0x00, 0x05, 0x00, 0x4D, 0x53]
        let found = bytes.indices.filter { bytes[$0...].starts(with: instruction) }
        #expect(found.count == 1)
    }

    @Test func thePasswordProgramAnswers() throws {
        let directory = try TemporaryDirectory()
        let program = directory.path + "/password"
        let (status, text) = try run(
            ["gcc", "-O2", "-static"] + Self.warnings + ["-o", program, Self.guest + "/password.c"], in: directory)
        try #require(status == 0, "\(text)")
        #expect(try run([program, "Gr7-Tm3k"], in: directory) == (0, "right\n"))
        #expect(try run([program], input: "Gr7-Tm3k\n", in: directory) == (0, "right\n"))
        for wrong in ["Gr7-Tm3j", "gr7-Tm3k", "Gr7-Tm3", "Gr7-Tm3kk", "", "Gr8-Tm1k"] {
            #expect(try run([program, wrong], in: directory) == (1, "wrong\n"))
        }
        #expect(try run([program], input: "", in: directory) == (1, "wrong\n"))
        #expect(try run([program, "a", "b"], in: directory).0 == 2)
    }

    @Test func stemmaGuestIsHarmlessOutsideTheEngine() throws {
        let directory = try TemporaryDirectory()
        let program = directory.path + "/stemma-guest"
        let (status, text) = try run(
            ["gcc", "-O2", "-static"] + Self.warnings + ["-o", program, Self.guest + "/stemma-guest.c"], in: directory)
        try #require(status == 0, "\(text)")
        #expect(try run([program, "version"], in: directory) == (1, "none\n"))
        #expect(try run([program, "print", "text"], in: directory) == (0, ""))
        #expect(try run([program, "end-path", "3", "text"], in: directory) == (0, ""))
        #expect(try run([program, "path-id"], in: directory) == (0, "0\n"))
        for wrong in [[], ["x"], ["print"], ["end-path", "x"], ["tick", "0"], ["version", "x"]] {
            #expect(try run([program] + wrong, in: directory).0 == 2)
        }
        #expect(try run(["timeout", "1", program, "wait", "HERE"], in: directory) == (124, "HERE\n"))
    }
}
