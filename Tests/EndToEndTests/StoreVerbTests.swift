import Foundation
import Testing

/// A state of a machine that never ran: QEMU, stopped before its first instruction, writes a migration stream.
enum StoppedMachine {
    /// Makes the VM `Mini` (one empty disk, 16 MiB) and imports the stream as snapshots of these names.
    static func importSnapshots(_ names: [String], into home: TestHome) async throws {
        let stream = home.path + "/stopped.stream"
        let disk = home.path + "/empty.raw"
        let script = """
            truncate -s 1M "\(disk)"
            printf 'migrate "exec:cat > \(stream)"\\nquit\\n' | qemu-system-x86_64 -machine pc,accel=tcg -cpu qemu64 -m 16 \
                -nodefaults -display none -S -monitor stdio -drive if=none,id=d,format=raw,file="\(disk)" \
                -device virtio-blk-pci,drive=d,addr=4
            """
        let made = try await Tool.run("/bin/sh", ["-c", script])
        try #require(made.status == 0, "\(made.all)")
        try await home.stemma("vm", "create", "Mini", "--size", "1M", "--memory", "16")
        for name in names {
            try await home.stemma("snapshot", "import", stream, "--vm", "Mini", "--name", name, "--tag", "stopped")
        }
    }
}

/// Tags, notes, exchange between stores and clearing away through the real binary. No guest runs.
@Suite(.serialized) struct StoreVerbTests {
    struct Snapshot: Decodable, Equatable {
        let name: String
        let tags: [String]
        let note: String
    }

    struct Usage: Decodable {
        struct Counts: Decodable { let packBytes: Int }
        let counts: Counts
    }

    private func packBytes(_ home: TestHome) async throws -> Int {
        try NamesTests.json(Usage.self, await home.stemma("store", "stats", "--json")).counts.packBytes
    }

    private func snapshots(_ home: TestHome, _ vm: String) async throws -> [Snapshot] {
        try NamesTests.json([Snapshot].self, await home.stemma("snapshot", "list", vm, "--json"))
    }

    @Test func tagsAndNotesGoWhereTheSnapshotGoes() async throws {
        let home = try TestHome()
        try await StoppedMachine.importSnapshots(["a", "b"], into: home)
        try await home.stemma("snapshot", "tag", "Mini:a", "base", "ready")
        try await home.stemma("snapshot", "note", "Mini:a", "stopped before the first instruction")
        let a = Snapshot(
            name: "a", tags: ["base", "ready", "stopped"], note: "stopped before the first instruction")
        let b = Snapshot(name: "b", tags: ["stopped"], note: "")
        #expect(try await snapshots(home, "Mini") == [a, b])
        let before = try await home.stemma("snapshot", "show", "Mini:a")
        #expect(before.standardOutput.contains("tags         base, ready, stopped"))
        #expect(before.standardOutput.contains("note         stopped before"))
        #expect(try await home.stemma("log", "--tag", "base").standardOutput.contains("[base, ready, stopped]"))

        try await home.stemma("vm", "clone", "Mini", "Copy")
        try await home.stemma("vm", "rename", "Mini", "Maxi")
        try await home.stemma("snapshot", "rename", "Maxi:a", "c")
        #expect(try await snapshots(home, "Copy") == [a, b])
        #expect(try await snapshots(home, "Maxi").map(\.tags) == [["stopped"], a.tags])
        try await home.stemma("snapshot", "untag", "Copy:a", "ready")
        #expect(try await snapshots(home, "Maxi").map(\.tags) == [["stopped"], a.tags])
        try await home.stemma("snapshot", "untag", "Copy:a", "ready", expecting: 66)
        try await home.stemma("undo")
        #expect(try await snapshots(home, "Copy") == [a, b])
        try await home.stemma("snapshot", "remove", "Copy:a")
        try await home.stemma("undo")
        #expect(try await snapshots(home, "Copy") == [a, b])

        // To another store, without the VM, under another name.
        let bundle = home.path + "/a.bundle"
        try await home.stemma("store", "export", bundle, "Copy:a")
        let other = try TestHome()
        try await other.stemma("store", "import", bundle, "--as", "Far")
        #expect(try await snapshots(other, "Far") == [a])
        try await other.stemma("vm", "show", "Far")
        try await other.stemma("store", "verify", "--deep")
        try await other.stemma("undo")
        #expect(try await other.stemma("vm", "list").standardOutput == "")
    }

    @Test func storesExchangeWhatTheyLack() async throws {
        struct Report: Decodable {
            struct Bundle: Decodable {
                let objects: Int
                let newObjects: Int
                let bytes: Int
            }
            struct Name: Decodable {
                let subject: String
                let action: String
            }
            let names: [Name]
            let bundle: Bundle
            let operation: Int?
        }
        let home = try TestHome()
        let other = try TestHome()
        let first = home.path + "/first.bundle"
        let second = home.path + "/second.bundle"
        try await home.stemma("vm", "create", "A", "--disk", NamesTests.disk(home, "a"))
        try await home.stemma("store", "export", first, "--all")
        try await other.stemma("store", "import", first)
        let again = try NamesTests.json(Report.self, await other.stemma("store", "import", first, "--json"))
        #expect(again.names.map(\.action) == ["unchanged"] && again.operation == nil && again.bundle.newObjects == 0)

        try await home.stemma("vm", "disk", "add", "A", "--file", NamesTests.disk(home, "b", text: "more"))
        try await home.stemma("store", "export", second, "A", "--base-bundle", first)
        let next = try NamesTests.json(Report.self, await other.stemma("store", "import", second, "--json"))
        #expect(next.names.map(\.subject) == ["VM A"] && next.names.map(\.action) == ["moved"])
        #expect(next.bundle.objects < again.bundle.objects + 3)
        #expect(
            try await other.stemma("vm", "show", "A").standardOutput
                == home.stemma("vm", "show", "A").standardOutput)

        // A store without the base takes nothing.
        let empty = try TestHome()
        try await empty.stemma("store", "import", second, expecting: 66)
        #expect(try await empty.stemma("vm", "list").standardOutput == "")
        // A name that means something else is not overwritten.
        try await empty.stemma("vm", "create", "A", "--size", "1G")
        let taken = try await empty.stemma("store", "import", first, expecting: 73)
        #expect(taken.standardError.contains("--rename"))
        try await empty.stemma("store", "import", first, "--rename", "A=B")
        try await empty.stemma("store", "import", first, "--prefix", "x.")
        #expect(
            try await empty.stemma("vm", "list").standardOutput
                == "A\n  Size: 1024.0MiB\nB\n  Size: 2.0MiB\nx.A\n  Size: 2.0MiB\n")

        // Through a pipe, and damage on the way.
        let stemma = try Tool.stemma()
        let third = try TestHome()
        let piped = try await Tool.run(
            "/bin/sh",
            [
                "-c",
                "\"\(stemma)\" store export --home \"\(home.path)\" - A | \"\(stemma)\" store import --home \"\(third.path)\" -",
            ])
        #expect(piped.status == 0, "\(piped.all)")
        #expect(try await third.stemma("vm", "list").standardOutput.contains("A\n"))
        var bytes = try Data(contentsOf: URL(fileURLWithPath: first))
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: URL(fileURLWithPath: first))
        try await third.stemma("store", "import", first, "--prefix", "bad-", expecting: 65)
        try await third.stemma("store", "verify", "--deep")
        try await home.stemma("store", "export", second, "Gone", expecting: 66)
        try await home.stemma("store", "export", second, expecting: 64)
        try await home.stemma("store", "import", second + ".gone", expecting: 66)
    }

    @Test func whatNothingNeedsIsFreedAndWhatUndoNeedsIsNot() async throws {
        struct Report: Decodable {
            struct Count: Decodable { let bytes: Int }
            let freed: Count
            let deadBytes: Int
        }
        let home = try TestHome()
        let noise = home.path + "/noise.raw"
        let made = try await Tool.run("/bin/sh", ["-c", "head -c 8388608 /dev/urandom > \(noise)"])
        try #require(made.status == 0)
        try await home.stemma("vm", "create", "Keep", "--disk", NamesTests.disk(home, "keep"))
        try await home.stemma("vm", "create", "Noise", "--disk", noise, "--format", "raw")
        try await home.stemma("vm", "remove", "Noise")
        #expect(try await packBytes(home) > 8 << 20)
        // The operation log needs it still.
        try await home.stemma("store", "gc")
        #expect(try await packBytes(home) >= 8 << 20)
        try await home.stemma("undo")
        try await home.stemma("store", "verify", "--deep")
        try await home.stemma("undo")

        let dry = try NamesTests.json(
            Report.self, await home.stemma("store", "gc", "--dry-run", "--keep-operations", "0", "--json"))
        #expect(dry.deadBytes > 8 << 20)
        #expect(try await packBytes(home) >= 8 << 20)
        try await home.stemma("store", "gc", "--keep-operations", "0")
        #expect(try await packBytes(home) < 1 << 20)
        let gone = try await home.stemma("undo", expecting: 66)
        #expect(gone.standardError.contains("store gc"))
        try await home.stemma("store", "verify", "--deep")
        #expect(try await home.stemma("vm", "list").standardOutput == "Keep\n  Size: 2.0MiB\n")
    }

    @Test func compressionChangesNoDigest() async throws {
        let home = try TestHome()
        let text = home.path + "/text.raw"
        let made = try await Tool.run(
            "/bin/sh", ["-c", "seq 1 700000 > \(text); truncate -s %512 \(text)"])
        try #require(made.status == 0)
        try await home.stemma("vm", "create", "Text", "--disk", text, "--format", "raw")
        let before = try await home.stemma("vm", "show", "Text")
        var sizes: [Int] = []
        for codec in ["none", "lz4", "zstd:9"] {
            try await home.stemma("store", "recompress", "--codec", codec, "--keep-operations", "0")
            try await home.stemma("store", "repack", "Text", "--keep-operations", "0")
            sizes.append(try await packBytes(home))
        }
        #expect(sizes[0] > sizes[1] && sizes[1] > sizes[2])
        try await home.stemma("store", "recompress", "--codec", "brotli", expecting: 64)
        try await home.stemma("store", "recompress", "--codec", "zstd:20", expecting: 64)
        #expect(try await home.stemma("vm", "show", "Text").standardOutput == before.standardOutput)
        try await home.stemma("store", "verify", "--deep")
    }

    @Test func aStoreThatIsOnlyReadStaysAsItIs() async throws {
        let home = try TestHome()
        try await home.stemma("vm", "create", "Mini", "--disk", NamesTests.disk(home, "disk"))
        func files() throws -> [String: Data] {
            var files: [String: Data] = [:]
            for name in try FileManager.default.subpathsOfDirectory(atPath: home.path + "/store") {
                files[name] = FileManager.default.contents(atPath: "\(home.path)/store/\(name)") ?? Data()
            }
            return files
        }
        let before = try files()
        for verb in [
            ["vm", "list"], ["vm", "show", "Mini"], ["log"], ["operation", "list"], ["store", "stats"],
            ["store", "verify", "--deep"], ["store", "export", home.path + "/out.bundle", "Mini"],
        ] {
            let output = try await Tool.run(
                Tool.stemma(), verb + ["--read-only"], environment: ["STEMMA_HOME": home.path])
            #expect(output.status == 0, "\(output.all)")
        }
        try await home.stemma("vm", "clone", "Mini", "Copy", "--read-only", expecting: 74)
        try await home.stemma("undo", "--read-only", expecting: 74)
        try await home.stemma("store", "gc", "--read-only", expecting: 74)
        #expect(try files() == before)

        // On a medium that cannot be written nothing need be said.
        let script = """
            set -e
            mount --bind "$STEMMA_HOME" "$STEMMA_HOME"
            mount -o remount,ro,bind "$STEMMA_HOME"
            "\(try Tool.stemma())" vm list
            "\(try Tool.stemma())" store verify --deep
            """
        let mounted = try await Tool.run(
            "/usr/bin/unshare", ["--mount", "--map-root-user", "/bin/bash", "-c", script],
            environment: ["STEMMA_HOME": home.path])
        #expect(mounted.status == 0 && mounted.standardOutput.contains("Mini\n"), "\(mounted.all)")
        // A home that is not there is not made.
        try await home.stemma("vm", "list", "--read-only", "--home", home.path + "/none", expecting: 66)
        #expect(!FileManager.default.fileExists(atPath: home.path + "/none"))
    }

    @Test(arguments: ["home", "bundle", "image"])
    func damageIsRepairedFromAnotherCopy(source: String) async throws {
        let home = try TestHome()
        let raw = home.path + "/noise.raw"
        let made = try await Tool.run("/bin/sh", ["-c", "head -c 8388608 /dev/urandom > \(raw)"])
        try #require(made.status == 0)
        try await home.stemma("vm", "create", "Mini", "--disk", raw, "--format", "raw")
        let show = try await home.stemma("vm", "show", "Mini")
        let bundle = home.path + "/mini.bundle"
        try await home.stemma("store", "export", bundle, "Mini")
        let copy = try TestHome()
        try await copy.stemma("store", "import", bundle)

        let packs = home.path + "/store/packs"
        let names = try FileManager.default.contentsOfDirectory(atPath: packs).filter { $0.hasSuffix(".pack") }
        let pack = URL(fileURLWithPath: packs + "/" + (try #require(names.first)))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: pack.path)
        var bytes = try Data(contentsOf: pack)
        for place in [bytes.count / 3, bytes.count / 2] { bytes[place] ^= 0x40 }
        try bytes.write(to: pack)

        let found = try await home.stemma("store", "verify", "--checksums", expecting: 1)
        #expect(found.standardOutput.contains("affected: vms/Mini/head"))
        // The parts together find as much as the whole.
        var codes: [Int32] = []
        for part in ["1/2", "2/2"] {
            let output = try await Tool.run(
                Tool.stemma(), ["store", "verify", "--deep", "--subset", part], environment: ["STEMMA_HOME": home.path])
            codes.append(output.status)
        }
        #expect(codes.contains(1) && codes.allSatisfy { $0 <= 1 })
        try await home.stemma("store", "verify", "--subset", "3/2", expecting: 64)
        try await home.stemma("store", "verify", "--repair-from", home.path + "/none", expecting: 64)

        let paths = ["home": copy.path, "bundle": bundle, "image": raw]
        let repaired = try await home.stemma(
            "store", "verify", "--deep", "--repair-from", try #require(paths[source]))
        #expect(repaired.standardOutput.contains("the store is sound again"), "\(repaired.all)")
        try await home.stemma("store", "verify", "--deep")
        #expect(try await home.stemma("vm", "show", "Mini").standardOutput == show.standardOutput)
        let quarantine = try FileManager.default.contentsOfDirectory(atPath: home.path + "/store/quarantine")
        #expect(quarantine == names)
    }
}
