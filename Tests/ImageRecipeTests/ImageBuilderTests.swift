import Foundation
import ImageRecipe
import Synchronization
import Testing

/// Whole builds; the packages come from apt's mirror.
@Suite(.serialized) struct ImageBuilderTests {
    /// Collects the progress of a build.
    private final class Log: Sendable {
        private let lines = Mutex<[String]>([])

        func add(_ line: String) { lines.withLock { $0.append(line) } }
        var all: [String] { lines.withLock { $0 } }
    }

    private func digest(_ image: BuiltImage, in directory: TemporaryDirectory) throws -> String {
        try run(
            ["sh", "-c", "cd \(image.directory) && sha256sum kernel initrd disk0.raw image.json"], in: directory
        ).1
    }

    @Test func miniLinuxIsBuiltReproduciblyAndBoots() throws {
        let directory = try TemporaryDirectory()
        let recipe = try Recipe(contentsOf: repository + "/images/mini-linux.yaml")
        let (cache, output) = (directory.path + "/cache", directory.path + "/image")
        let first = Log()
        let image = try ImageBuilder(recipe: recipe, cache: cache, progress: first.add).build(into: output)
        #expect(first.all.contains { $0.hasPrefix("downloading linux-image-") })
        #expect(image.directory == output)
        #expect(image.provenance.packages.map(\.name).contains("busybox-static"))
        #expect(image.diskPaths == [output + "/disk0.raw"])
        #expect(try BuiltImage(directory: output) == image)
        let before = try digest(image, in: directory)

        // Again, over the first: nothing is downloaded, every byte is the same, and nothing is left behind.
        let second = Log()
        _ = try ImageBuilder(recipe: recipe, cache: cache, progress: second.add).build(into: output)
        #expect(!second.all.contains { $0.hasPrefix("downloading") })
        #expect(try digest(image, in: directory) == before)
        #expect(try FileManager.default.contentsOfDirectory(atPath: cache) == ["packages"])
        let left = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        #expect(!left.contains { $0.hasPrefix("image.") })

        let console = try boot(image, in: directory)
        #expect(console.contains("READY"))
        #expect(console.contains("tick 2"))
    }

    /// Boots an image under TCG for as long as it takes to the third tick; returns what the console showed.
    private func boot(_ image: BuiltImage, in directory: TemporaryDirectory) throws -> String {
        let console = directory.path + "/console"
        let disk = "driver=raw,node-name=disk0,file.driver=file,file.filename=\(image.diskPaths[0])"
        let command =
            ["qemu-system-x86_64", "-machine", "\(image.machine),accel=tcg", "-cpu", image.cpu]
            + ["-smp", "\(image.cpus)", "-m", "\(image.memoryMiB)M"]
            + ["-nodefaults", "-no-user-config", "-display", "none", "-vga", "none", "-no-reboot"]
            + ["-kernel", try #require(image.kernelPath), "-initrd", try #require(image.initrdPath)]
            + ["-append", "'\(try #require(image.commandLine))'"]
            + ["-chardev", "file,id=serial0,path=\(console)", "-device", "isa-serial,chardev=serial0"]
            + ["-blockdev", disk, "-device", "virtio-blk-pci,drive=disk0,id=virtio-disk0,addr=0x4"]
        // Bounded, so that a guest that hangs fails the test instead of stopping all of them.
        let script = """
            timeout 240 \(command.joined(separator: " ")) &
            until grep -q 'tick 2' \(console) 2> /dev/null && grep -q READY \(console); do
                kill -0 $! || break
                sleep 0.1
            done
            kill $!
            wait $!
            """
        let (_, text) = try run(["sh", "-c", script], in: directory)
        return ((try? String(contentsOfFile: console, encoding: .utf8)) ?? "") + text
    }

    private func recipe(_ yaml: String, in directory: TemporaryDirectory) throws -> Recipe {
        try Recipe(contentsOf: try directory.write(yaml, to: "r.yaml"))
    }

    @Test func anUnknownPackageIsNamedWithItsLine() throws {
        let directory = try TemporaryDirectory()
        let recipe = try recipe(
            RecipeTests.minimal.replacing("linux-image-cloud-amd64", with: "no-such-package"), in: directory)
        let error = #expect(throws: RecipeError.self) {
            try ImageBuilder(recipe: recipe, cache: directory.path + "/cache").build(into: directory.path + "/image")
        }
        #expect(error?.code == .unknownPackage)
        #expect(error?.place?.line == 5)
        #expect(error?.description.contains("apt-get update") == true)
        #expect(!FileManager.default.fileExists(atPath: directory.path + "/image"))
    }

    @Test func aPackageWithoutAKernelIsRefused() throws {
        let directory = try TemporaryDirectory()
        let recipe = try recipe(
            RecipeTests.minimal.replacing("linux-image-cloud-amd64", with: "busybox-static"), in: directory)
        let cache = directory.path + "/cache"
        func build() throws -> [String] {
            let log = Log()
            let error = #expect(throws: RecipeError.self) {
                try ImageBuilder(recipe: recipe, cache: cache, progress: log.add).build(
                    into: directory.path + "/image")
            }
            #expect(error?.code == .unsuitablePackage)
            #expect(error?.place?.line == 5)
            return log.all.filter { $0.hasPrefix("downloading") }
        }
        #expect(try build().count == 1)
        #expect(try build().isEmpty)

        // A package in the cache that is damaged is fetched again, also when its size is right.
        let package = try #require(try FileManager.default.contentsOfDirectory(atPath: cache + "/packages").first)
        let file = URL(fileURLWithPath: cache + "/packages/" + package)
        var bytes = try Data(contentsOf: file)
        bytes[1000] ^= 1
        try bytes.write(to: file)
        #expect(try build().count == 1)
        #expect(try build().isEmpty)
    }

    @Test func aDirectoryOfSomethingElseIsNotReplaced() throws {
        let directory = try TemporaryDirectory()
        let precious = try directory.write("text", to: "precious/letter")
        let recipe = try recipe(RecipeTests.minimal, in: directory)
        let error = #expect(throws: RecipeError.self) {
            try ImageBuilder(recipe: recipe, cache: directory.path + "/cache")
                .build(into: directory.path + "/precious")
        }
        #expect(error?.code == .cannotWrite)
        #expect(FileManager.default.fileExists(atPath: precious))
    }

    @Test func whatAKilledBuildLeftIsRemoved() throws {
        let directory = try TemporaryDirectory()
        // No process has the highest number that a 32-bit identifier can have.
        try directory.write("x", to: "cache/build.2147483647-1/file")
        let recipe = try recipe(RecipeTests.minimal.replacing("linux-image", with: "no-image"), in: directory)
        #expect(throws: RecipeError.self) {
            try ImageBuilder(recipe: recipe, cache: directory.path + "/cache").build(into: directory.path + "/image")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path + "/cache").isEmpty)
    }

    @Test func aDescriptionOfAnotherFormatIsRefused() throws {
        let directory = try TemporaryDirectory()
        for text in ["{}", "", "{\"format\": 2}"] {
            try directory.write(text, to: "image.json")
            let error = #expect(throws: RecipeError.self) { try BuiltImage(directory: directory.path) }
            #expect(error?.code == .unreadable)
        }
    }
}
