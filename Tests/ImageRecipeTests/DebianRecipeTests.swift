import Foundation
import ImageRecipe
import Testing

/// The section `debian` of a recipe, and what mmdebstrap is asked for.
@Suite struct DebianRecipeTests {
    static let minimal = """
        format: 1
        name: tiny
        memory: 256 MiB
        disks:
          - size: 1 GiB
            file-system: ext4
            debian:
              suite: bookworm
        """

    @Test func aDiskWithASystemNeedsNoKernelBesides() throws {
        let recipe = try Recipe(yaml: Self.minimal, file: "tiny.yaml")
        #expect(recipe.direct == nil)
        let debian = try #require(recipe.disks.first?.debian)
        #expect(debian.suite.value == "bookworm")
        #expect(debian.variant == .important)
        #expect(debian.components == ["main"])
        #expect(debian.kernel.value == "linux-image-amd64")
        #expect(debian.hostName == "debian")
        #expect(debian.commandLine == "console=ttyS0")
        #expect(debian.mirror == nil)
        #expect(debian.packages.isEmpty && debian.users.isEmpty)
    }

    @Test func theRecipeOfTheRepositoryIsValid() throws {
        let recipe = try Recipe(contentsOf: repository + "/images/debian-12.yaml")
        let debian = try #require(recipe.disks.first?.debian)
        #expect(recipe.disks.first?.sizeMiB == 8192)
        #expect(debian.users.map(\.name) == ["root", "user"])
        #expect(debian.commandLine.contains("console=ttyS0"))
    }

    @Test func allKeysAreRead() throws {
        let yaml =
            Self.minimal + """

                      variant: minbase
                      components: [main, non-free-firmware]
                      mirror: https://mirror.example/debian
                      kernel: linux-image-cloud-amd64
                      packages: [systemd-sysv, udev]
                      hostname: some.host-1
                      command-line: quiet
                      users: [{name: root, password: "it's"}, {name: joe_2, password: p}]
                    files: [{path: /etc/motd, content: hello}]
                """
        let disk = try #require(try Recipe(yaml: yaml, file: "a.yaml").disks.first)
        let debian = try #require(disk.debian)
        #expect(debian.variant == .minbase)
        #expect(debian.components == ["main", "non-free-firmware"])
        #expect(debian.mirror == "https://mirror.example/debian")
        #expect(debian.packages.map(\.value) == ["systemd-sysv", "udev"])
        #expect(debian.packages.first?.place.line == 13)
        #expect(debian.hostName == "some.host-1")
        #expect(debian.users.map(\.name) == ["root", "joe_2"])
        #expect(disk.content.files.map(\.path) == ["/etc/motd"])
    }

    /// What is wrong, the line where it stands, and a part of the message.
    @Test(arguments: [
        (minimal.replacing("      suite: bookworm", with: "      hostname: x"), 8, "needs the key 'suite'"),
        (minimal.replacing("bookworm", with: "../x"), 8, "name of a Debian release"),
        (minimal + "\n      variant: huge", 9, "'essential'"),
        (minimal + "\n      components: [\"main contrib\"]", 9, "no component"),
        (minimal + "\n      mirror: deb.debian.org", 9, "address"),
        (minimal + "\n      mirror: http://a b", 9, "address"),
        (minimal + "\n      kernel: Linux", 9, "not the name of a Debian package"),
        (minimal + "\n      hostname: a b", 9, "small letters"),
        (minimal + "\n      users: [{name: Joe, password: x}]", 9, "small letters"),
        (minimal + "\n      users: [{name: joe, password: \"\"}]", 9, "one line"),
        (minimal + "\n      users: [{name: joe}]", 9, "'password'"),
        (minimal + "\n      shell: zsh", 9, "'shell' is no key"),
        (minimal + "\n    packages: [vim]", 8, "belong below 'debian'"),
        (minimal.replacing("    file-system: ext4\n", with: ""), 7, "file-system: ext4"),
        (minimal.replacing("1 GiB", with: "3000 GiB"), 8, "2048 GiB"),
        (minimal + "\nkernel: {package: linux-image-amd64, command-line: x}", 1, "needs the key 'initramfs'"),
    ])
    func errorsNameTheLine(yaml: String, line: Int, part: String) {
        let error = #expect(throws: RecipeError.self) { try Recipe(yaml: yaml, file: "bad.yaml") }
        #expect(error?.place?.line == line, "\(error?.description ?? "")")
        #expect(error?.description.contains(part) == true, "\(error?.description ?? "")")
    }

    @Test func mutatedRecipesNeverTrap() throws {
        let original = Array(try Data(contentsOf: URL(fileURLWithPath: repository + "/images/debian-12.yaml")))
        var generator = SeededGenerator(state: 2)
        for _ in 0..<2000 {
            let text = String(decoding: mutated(original, by: &generator), as: UTF8.self)
            _ = try? Recipe(yaml: text, file: "fuzz.yaml")
        }
    }

    private func command(_ change: (inout Recipe.Debian) -> Void = { _ in }) throws -> Mmdebstrap {
        var debian = try #require(try Recipe(yaml: Self.minimal, file: "tiny.yaml").disks.first?.debian)
        change(&debian)
        return Mmdebstrap(
            debian: debian, packageDirectory: "/cache/it's here", sources: ["deb http://m bookworm main"], identity: "x/0")
    }

    @Test func mmdebstrapIsAskedForTheSystem() throws {
        let command = try command {
            $0.variant = .minbase
            $0.packages = [.init(value: "vim", place: .init(file: "r", line: 1))]
        }
        let arguments = command.arguments(output: "/out.tar")
        #expect(arguments.contains("--variant=minbase"))
        #expect(arguments.contains("--components=main"))
        #expect(arguments.contains("--include=linux-image-amd64,grub-pc-bin,grub2-common,passwd,vim"))
        #expect(arguments.contains("--setup-hook=sync-in '/cache/it'\\''s here' /var/cache/apt/archives/"))
        #expect(arguments.contains("--customize-hook=sync-out /var/cache/apt/archives/ '/cache/it'\\''s here'"))
        #expect(arguments.suffix(3) == ["bookworm", "/out.tar", "deb http://m bookworm main"])
        #expect(!arguments.contains { $0.contains("useradd") })
    }

    @Test func usersAreMadeAndTheirPasswordsAreQuotedForTheShell() throws {
        let users = [Recipe.Debian.User(name: "root", password: "a'b $c"), .init(name: "joe", password: "p")]
        let arguments = try command { $0.users = users }.arguments(output: "/out.tar")
        #expect(arguments.filter { $0.contains("useradd") }.count == 1)
        #expect(arguments.contains { $0.contains("useradd --create-home --shell /bin/bash 'joe'") })
        #expect(arguments.contains { $0.contains("usermod") && $0.contains(#"'a'\''b $c'"#) && $0.hasSuffix("'root'") })
        // Equal recipes give equal salts; users of one system have different ones.
        #expect(try command { $0.users = users }.arguments(output: "/out.tar") == arguments)
        let salts = arguments.compactMap { $0.split(separator: "$6$").dropFirst().first?.prefix(16) }
        #expect(Set(salts).count == 2)
    }

    @Test(arguments: [
        ("E: Unable to locate package no-such-thing\nE: apt-get failed", RecipeError.Code.unknownPackage, 77, "'no-such-thing'"),
        ("W: Failed to fetch http://m/x  Could not resolve 'm'", .downloadFailed, 8, "check the network"),
        ("E: Unable to fetch some archives", .downloadFailed, 8, "mirror"),
        ("E: unable to pick chroot mode automatically", .toolFailed, 8, "fakechroot"),
    ])
    func failuresSayWhatToDo(output: String, code: RecipeError.Code, line: Int, part: String) throws {
        let command = try command {
            $0.packages = [.init(value: "no-such-thing", place: .init(file: "tiny.yaml", line: 77))]
        }
        let error = command.failure(Tool.Result(status: 25, output: "", errors: output))
        #expect(error.code == code)
        #expect(error.place?.line == line)
        #expect(error.description.contains(part), "\(error.description)")
    }
}
