import Foundation
import ImageRecipe
import Testing

@Suite struct ProgramBuilderTests {
    private let place = RecipeError.Place(file: "r.yaml", line: 9)

    private func add(_ origin: Recipe.Program.Origin, in directory: TemporaryDirectory) throws -> FileTree {
        var tree = FileTree()
        try ProgramBuilder(directory: directory.path, scratch: directory.path)
            .add(Recipe.Program(origin: origin, path: "/bin/p", place: place), to: &tree)
        return tree
    }

    @Test func aStaticProgramComesAlone() throws {
        let directory = try TemporaryDirectory()
        try directory.write("int main(void) { return 0; }", to: "p.c")
        let tree = try add(.compiled(source: "p.c", flags: ["-O2", "-static"]), in: directory)
        #expect(tree.sorted.map(\.path) == ["/bin", "/bin/p"])
    }

    @Test func aDynamicProgramBringsItsLibraries() throws {
        let directory = try TemporaryDirectory()
        try directory.write("int main(void) { return 0; }", to: "p.c")
        for origin in [Recipe.Program.Origin.compiled(source: "p.c", flags: []), .host("/usr/bin/env")] {
            let paths = try add(origin, in: directory).sorted.map(\.path)
            #expect(paths.contains("/bin/p"))
            #expect(paths.contains { $0.hasSuffix("/libc.so.6") })
            #expect(paths.contains { $0.contains("/ld-linux-x86-64.so.2") })
        }
    }

    @Test func whatTheCompilerSaysIsPassedOn() throws {
        let directory = try TemporaryDirectory()
        try directory.write("int main(void) {\n  return x;\n}", to: "p.c")
        let error = #expect(throws: RecipeError.self) {
            try add(.compiled(source: "p.c", flags: ["-O2"]), in: directory)
        }
        #expect(error?.code == .compilationFailed)
        #expect(error?.place == place)
        #expect(error?.cause?.contains("p.c:2") == true)
    }

    @Test func missingFilesAreNamed() throws {
        let directory = try TemporaryDirectory()
        for origin in [Recipe.Program.Origin.compiled(source: "no.c", flags: []), .host("/usr/bin/no-such-program")] {
            let error = #expect(throws: RecipeError.self) { try add(origin, in: directory) }
            #expect(error?.code == .missingSource)
            #expect(error?.message.contains("no") == true)
        }
    }

    @Test func lddIsRead() throws {
        let output = """
            \tlinux-vdso.so.1 (0x00007ffc)
            \tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f01)
            \t/lib64/ld-linux-x86-64.so.2 (0x00007f02)
            """
        #expect(
            try ProgramBuilder.libraries(lddOutput: output, program: "p", at: place) == [
                "/lib/x86_64-linux-gnu/libz.so.1", "/lib64/ld-linux-x86-64.so.2",
            ])
        #expect(try ProgramBuilder.libraries(lddOutput: "\tstatically linked\n", program: "p", at: place) == [])
        #expect(throws: RecipeError.self) {
            try ProgramBuilder.libraries(lddOutput: "\tlibq.so.1 => not found\n", program: "p", at: place)
        }
    }
}
