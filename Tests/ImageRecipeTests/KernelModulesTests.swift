import Foundation
import ImageRecipe
import Testing

@Suite struct KernelModulesTests {
    /// An unpacked kernel package whose modules gcc made: name and what it depends on.
    private func package(_ modules: [(String, String)], in directory: TemporaryDirectory) throws -> KernelModules {
        for (path, dependencies) in modules {
            let source = try directory.write(
                "static const char d[] __attribute__((section(\".modinfo\"), used)) = \"license=GPL\\0depends=\(dependencies)\";",
                to: "m.c")
            let target = try directory.write("", to: "root/lib/modules/6.1/kernel/\(path).ko")
            let (status, text) = try run(["gcc", "-c", "-o", target, source], in: directory)
            try #require(status == 0, "\(text)")
        }
        try directory.write("kernel/fs/ext4/ext4.ko\n", to: "root/lib/modules/6.1/modules.builtin")
        return try KernelModules(root: directory.path + "/root")
    }

    private func located(_ names: String...) -> [Recipe.Located<String>] {
        names.map { Recipe.Located(value: $0, place: RecipeError.Place(file: "r.yaml", line: 7)) }
    }

    @Test func dependenciesComeFirst() throws {
        let directory = try TemporaryDirectory()
        let modules = try package(
            [("a/top-one", "mid_a,mid_b"), ("a/mid-a", "base"), ("b/mid_b", "base,ext4"), ("base", "")], in: directory)
        let order = try modules.loadOrder(of: located("top_one", "base", "ext4"))
        #expect(order.map { $0.split(separator: "/").last } == ["base.ko", "mid-a.ko", "mid_b.ko", "top-one.ko"])
        #expect(order[0] == "/lib/modules/6.1/kernel/base.ko")
    }

    @Test(arguments: [("xz", "-f"), ("gzip", "-f"), ("zstd", "-q --rm -f")])
    func packedModulesAreUnpacked(program: String, options: String) throws {
        let directory = try TemporaryDirectory()
        _ = try package([("a/top-one", "base"), ("base", "")], in: directory)
        let root = directory.path + "/root"
        let (status, text) = try run(
            ["sh", "-c", "find \(root) -name '*.ko' -exec \(program) \(options) '{}' ';'"], in: directory)
        try #require(status == 0, "\(text)")
        let modules = try KernelModules(root: root)
        let order = try modules.loadOrder(of: located("top_one"))
        #expect(order == ["/lib/modules/6.1/kernel/base.ko", "/lib/modules/6.1/kernel/a/top-one.ko"])
        for path in order {
            #expect(ModuleInformation(elf: Array(try Data(contentsOf: URL(fileURLWithPath: root + path)))) != nil)
        }
    }

    @Test func aMissingModuleIsNamedWithItsLine() throws {
        let directory = try TemporaryDirectory()
        let modules = try package([("top", "gone")], in: directory)
        let error = #expect(throws: RecipeError.self) { try modules.loadOrder(of: located("top")) }
        #expect(error?.code == .missingModule)
        #expect(error?.place?.line == 7)
        #expect(error?.message.contains("'gone', which 'top' needs,") == true)
    }

    @Test func aCircleEnds() throws {
        let directory = try TemporaryDirectory()
        let modules = try package([("a", "b"), ("b", "a")], in: directory)
        #expect(try modules.loadOrder(of: located("a")).count == 2)
    }

    @Test func aPackageWithoutModulesIsAnError() throws {
        let directory = try TemporaryDirectory()
        let error = #expect(throws: RecipeError.self) { try KernelModules(root: directory.path) }
        #expect(error?.code == .unsuitablePackage)
    }

    @Test func mutatedModulesNeverTrap() throws {
        let directory = try TemporaryDirectory()
        let source = try directory.write(
            "static const char d[] __attribute__((section(\".modinfo\"), used)) = \"depends=a,b\";", to: "m.c")
        let (status, _) = try run(["gcc", "-c", "-o", directory.path + "/m.o", source], in: directory)
        try #require(status == 0)
        let original = Array(try Data(contentsOf: URL(fileURLWithPath: directory.path + "/m.o")))
        #expect(ModuleInformation(elf: original)?.dependencies == ["a", "b"])
        #expect(ModuleInformation(elf: []) == nil)
        var generator = SeededGenerator(state: 2)
        for _ in 0..<5000 { _ = ModuleInformation(elf: mutated(original, by: &generator)) }
        // The fields of the ELF header alone.
        for _ in 0..<5000 {
            var copy = original
            copy[Int.random(in: 0x28..<0x40, using: &generator)] = UInt8.random(in: 0 ... .max, using: &generator)
            _ = ModuleInformation(elf: copy)
        }
    }
}
