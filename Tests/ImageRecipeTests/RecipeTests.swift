import Foundation
import ImageRecipe
import Testing

@Suite struct RecipeTests {
    static let minimal = """
        format: 1
        name: tiny
        memory: 64 MiB
        kernel:
          package: linux-image-cloud-amd64
          command-line: console=ttyS0
        initramfs:
          init: |
            #!/bin/sh
            exec sh
        """

    @Test func theMinimalRecipeHasDefaults() throws {
        let recipe = try Recipe(yaml: Self.minimal, file: "tiny.yaml")
        #expect(recipe.name == "tiny")
        #expect(recipe.machine == "pc-i440fx-7.2")
        #expect(recipe.cpu == "qemu64")
        #expect(recipe.cpus == 1)
        #expect(recipe.memoryMiB == 64)
        #expect(recipe.direct?.kernel.package.value == "linux-image-cloud-amd64")
        #expect(recipe.direct?.kernel.package.place == RecipeError.Place(file: "tiny.yaml", line: 5))
        #expect(recipe.direct?.initramfs.initScript == "#!/bin/sh\nexec sh")
        #expect(recipe.disks.isEmpty)
    }

    @Test(arguments: ["images/mini-linux.yaml", "Tests/lab/lab.yaml"])
    func theRecipesOfTheRepositoryAreValid(path: String) throws {
        let recipe = try Recipe(contentsOf: repository + "/" + path)
        #expect(recipe.direct?.kernel.package.value == "linux-image-cloud-amd64")
    }

    @Test func allEntriesAreRead() throws {
        let yaml =
            Self.minimal + """

                  busybox: busybox-static
                  modules: [virtio_pci]
                  packages: [libc6]
                  programs:
                    - {source: a/b.c}
                    - {source: c.c, path: /x, flags: [-O0]}
                    - {host: /usr/bin/true}
                  files:
                    - {path: /a, content: "text", mode: "4755"}
                    - {path: /b, source: here}
                    - {path: /c, link: /a}
                    - {path: /d, directory: true}
                disks:
                  - size: 2 GiB
                  - {size: 2048 KiB, file-system: ext4, label: data, files: [{path: /e, content: e}]}
                """
        let recipe = try Recipe(yaml: yaml, file: "all.yaml")
        let content = try #require(recipe.direct).initramfs.content
        #expect(content.packages.map(\.value) == ["libc6"])
        #expect(content.programs.map(\.path) == ["/bin/b", "/x", "/usr/bin/true"])
        #expect(content.programs[0].origin == .compiled(source: "a/b.c", flags: ["-O2", "-static"]))
        #expect(content.programs[1].origin == .compiled(source: "c.c", flags: ["-O0"]))
        #expect(content.programs[2].origin == .host("/usr/bin/true"))
        #expect(content.files.map(\.origin) == [.text("text"), .source("here"), .link(target: "/a"), .directory])
        #expect(content.files[0].mode == 0o4755)
        #expect(recipe.disks.map(\.sizeMiB) == [2048, 2])
        #expect(recipe.disks.map(\.fileSystem) == [nil, .ext4])
    }

    /// What is wrong, the line where it stands, and a part of the message.
    @Test(arguments: [
        ("", 1, "empty"),
        ("- 1", 1, "mapping"),
        (minimal.replacing("format: 1", with: "format: 2"), 1, "'format' must be 1"),
        (minimal.replacing("name: tiny\n", with: ""), 1, "needs the key 'name'"),
        (minimal.replacing("name: tiny", with: "name: ../x"), 2, "'name' must begin"),
        (minimal.replacing("64 MiB", with: "64M"), 3, "such as '64 MiB'"),
        (minimal.replacing("64 MiB", with: "9223372036854775807 GiB"), 3, "such as '64 MiB'"),
        (minimal.replacing("64 MiB", with: "1 KiB"), 3, "whole MiB"),
        (minimal.replacing("64 MiB", with: "-1 MiB"), 3, "whole MiB"),
        (minimal + "\ncpus: 0", 11, "from 1 to 255"),
        (minimal + "\nmemroy: 1 MiB", 11, "'memroy' is no key"),
        (minimal + "\nmemory: 1 MiB", 3, "twice"),
        (minimal.replacing("linux-image", with: "Linux_"), 5, "not the name of a Debian package"),
        (minimal.replacing("#!/bin/sh", with: "hello"), 8, "'#!'"),
        (minimal + "\n  files: {}", 11, "must be a list"),
        (minimal + "\n  files: [{path: /x}]", 11, "exactly one of"),
        (minimal + "\n  files: [{path: /x, content: a, link: b}]", 11, "exactly one of"),
        (minimal + "\n  files: [{path: x, content: a}]", 11, "absolute path"),
        (minimal + "\n  files: [{path: /a/../x, content: a}]", 11, "absolute path"),
        (minimal + "\n  files: [{path: /x, content: a, mode: 9}]", 11, "octal"),
        (minimal + "\n  programs: [{}]", 11, "either 'source' or 'host'"),
        (minimal + "\n  programs: [{source: a.py}]", 11, "'.c'"),
        (minimal + "\n  programs: [{host: /bin/true, flags: []}]", 11, "takes none"),
        (minimal + "\ndisks:\n  - size: 1 MiB\n    label: x", 12, "ext4"),
        (minimal + "\ndisks:\n  - size: 1 MiB\n    file-system: fat", 13, "'fat'"),
        (minimal + "\n\tx: [", 11, "not a YAML recipe"),
    ])
    func errorsNameTheLine(yaml: String, line: Int, part: String) {
        let error = #expect(throws: RecipeError.self) { try Recipe(yaml: yaml, file: "bad.yaml") }
        #expect(error?.place?.line == line, "\(error?.description ?? "")")
        #expect(error?.description.contains(part) == true, "\(error?.description ?? "")")
        #expect(error?.description.hasPrefix("bad.yaml:") == true)
    }

    @Test func aMissingFileIsNamed() {
        let error = #expect(throws: RecipeError.self) { try Recipe(contentsOf: "/nonexistent/r.yaml") }
        #expect(error?.code == .unreadable)
        #expect(error?.description.contains("/nonexistent/r.yaml") == true)
    }

    @Test func mutatedRecipesNeverTrap() throws {
        let original = Array(try Data(contentsOf: URL(fileURLWithPath: repository + "/images/mini-linux.yaml")))
        var generator = SeededGenerator(state: 1)
        for _ in 0..<3000 {
            let text = String(decoding: mutated(original, by: &generator), as: UTF8.self)
            _ = try? Recipe(yaml: text, file: "fuzz.yaml")
        }
    }
}
