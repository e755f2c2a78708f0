import Foundation
import ImageRecipe
import Synchronization
import Testing

/// Whole Debian systems; the packages come from apt's mirror.
@Suite(.serialized) struct DebianDiskTests {
    /// `STEMMA_TEST_SCALE=full` runs what takes minutes too.
    private static let isFull = ProcessInfo.processInfo.environment["STEMMA_TEST_SCALE"] == "full"

    private static let small = """
        format: 1
        name: small
        memory: 256 MiB
        disks:
          - size: 1 GiB
            file-system: ext4
            debian:
              suite: bookworm
              variant: apt
              hostname: small
              kernel: linux-image-cloud-amd64
              packages: [systemd-sysv, login, udev]
              users:
                - name: root
                  password: it's "me" $x
            files:
              - path: /lib/greeting
                content: hello
        """

    /// Steps of a build.
    private final class Log: Sendable {
        private let lines = Mutex<[String]>([])
        func add(_ line: String) { lines.withLock { $0.append(line) } }
        var all: [String] { lines.withLock { $0 } }
    }

    private func build(_ name: String, in directory: TemporaryDirectory) throws -> (BuiltImage, Log) {
        let log = Log()
        let recipe = try Recipe(contentsOf: try directory.write(Self.small, to: "small.yaml"))
        let image = try ImageBuilder(recipe: recipe, cache: directory.path + "/cache", progress: log.add)
            .build(into: directory.path + "/" + name)
        return (image, log)
    }

    @Test func aSmallSystemIsInstalled() throws {
        let directory = try TemporaryDirectory()
        let (image, log) = try build("image", in: directory)
        #expect(image.kernel == nil && image.commandLine == nil)
        #expect(log.all.contains { $0.hasPrefix("mmdebstrap: ") })
        let names = image.provenance.packages.map(\.name)
        #expect(names.contains("systemd") && names.contains("grub-pc-bin"))
        let disk = image.diskPaths[0]
        let (status, report) = try run(["e2fsck", "-fn", disk + "?offset=1048576"], in: directory)
        #expect(status == 0, "\(report)")
        func debug(_ command: String) throws -> String {
            try run(["debugfs", "-R", command, disk + "?offset=1048576"], in: directory).1
        }
        #expect(try debug("cat /usr/lib/greeting").contains("hello"))
        #expect(try debug("cat /etc/hostname").contains("small\n"))
        #expect(try debug("cat /etc/shadow").contains("root:$6$"))
        #expect(try debug("stat /usr/bin/mount").contains("Mode:  04755"))
        let packages = try FileManager.default.contentsOfDirectory(atPath: directory.path + "/cache/packages/debian-bookworm")
        #expect(packages.contains { $0.hasPrefix("systemd_") && $0.hasSuffix(".deb") })
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path + "/cache") == ["packages"])

        guard Self.isFull else { return }
        let (again, _) = try build("again", in: directory)
        let (equal, difference) = try run(["cmp", disk, again.diskPaths[0]], in: directory)
        #expect(equal == 0, "a second build has other bytes: \(difference)")
        #expect(try boot(image, in: directory).contains("small login:"))
    }

    @Test func aMirrorThatCannotBeReachedIsSaid() throws {
        let directory = try TemporaryDirectory()
        let yaml = Self.small.replacing("suite: bookworm", with: "suite: bookworm\n      mirror: http://127.0.0.1:9/debian")
        let recipe = try Recipe(contentsOf: try directory.write(yaml, to: "small.yaml"))
        let error = #expect(throws: RecipeError.self) {
            try ImageBuilder(recipe: recipe, cache: directory.path + "/cache").build(into: directory.path + "/image")
        }
        #expect(error?.code == .downloadFailed, "\(error?.description ?? "")")
        #expect(error?.place?.line == 8)
        #expect(!FileManager.default.fileExists(atPath: directory.path + "/image"))
    }

    /// Boots the disk under TCG until it asks who logs in; returns what the console showed.
    private func boot(_ image: BuiltImage, in directory: TemporaryDirectory) throws -> String {
        let console = directory.path + "/console"
        let script = """
            timeout 600 qemu-system-x86_64 -machine \(image.machine),accel=tcg -m \(image.memoryMiB)M -nodefaults \
              -display none -vga none -serial file:\(console) \
              -drive file=\(image.diskPaths[0]),format=raw,if=virtio,snapshot=on &
            until grep -q 'login:' \(console) 2> /dev/null; do kill -0 $! || break; sleep 0.5; done
            kill $!
            wait $!
            """
        let (_, text) = try run(["sh", "-c", script], in: directory)
        return ((try? String(contentsOfFile: console, encoding: .utf8)) ?? "") + text
    }
}
