import ContentStore
import Glibc
import Testing

/// Damage on disk is found, named, and never read as if it were sound.
@Suite struct DamageTests {
    /// A small store with something of every sort, and what it holds.
    private struct Specimen {
        let fixture: Fixture
        let disk: TreeRoot
        let memory: TreeRoot
        let blob: Digest
        let commit: Digest
        let diskBytes: [UInt8]
        let memoryBytes: [UInt8]
        let blobBytes: [UInt8]

        init(_ options: IngestOptions = IngestOptions()) throws {
            fixture = try Fixture()
            var random = Random(80)
            // Few bytes, so that each one can be tried: chunks and pages that compress well.
            diskBytes = random.text(24) + [UInt8](repeating: 5, count: 140_000)
            memoryBytes = (0..<20).flatMap { [UInt8](repeating: UInt8($0), count: 4096) } + random.bytes(50)
            blobBytes = [UInt8](repeating: 3, count: 65_536) + [UInt8](repeating: 4, count: 70)
            let ingest = try fixture.store.beginIngest(label: "specimen", options: options)
            let first = try ingest.edit(nil, kind: .disk, length: UInt64(diskBytes.count))
            try first.write(diskBytes, at: 0)
            disk = try first.finish()
            let second = try ingest.edit(nil, kind: .memory, length: UInt64(memoryBytes.count))
            try second.write(memoryBytes, at: 0)
            memory = try second.finish()
            blob = try ingest.putBlob(blobBytes)
            commit = try ingest.putCommit(
                Commit(
                    kind: "k", trees: ["disk": disk, "ram": memory], blobs: ["b": blob],
                    time: Timestamp(seconds: 1)))
            try ingest.publish([RefChange("main", new: commit)], operation: "o")
        }

        /// Reads everything: what does not fail has to be right.
        /// - Returns: how many of the five reads failed.
        func read(_ context: String) throws -> Int {
            let store = try fixture.reopened()
            var failures = 0
            func attempt<Value: Equatable>(_ expected: Value, _ body: () throws -> Value) throws {
                do {
                    #expect(try body() == expected, "\(context)")
                } catch let error as StoreError {
                    #expect([.damaged, .notFound].contains(error.code), "\(context): \(error)")
                    failures += 1
                }
            }
            try attempt(diskBytes) { try store.bytes(disk) }
            try attempt(memoryBytes) { try store.bytes(memory) }
            try attempt(blobBytes) { try store.blob(blob) }
            try attempt(["disk", "ram"]) { try store.commit(commit).trees.keys.sorted() }
            try attempt(commit) { try store.ref("main") ?? Digest(of: [0]) }
            return failures
        }
    }

    @Test func everyByteOfAPack() throws {
        let specimen = try Specimen()
        let path = try #require(try specimen.fixture.store.files("packs").first)
        let sound = try contents(of: path)
        #expect(sound.count < 20_000)
        for position in 0..<sound.count {
            var bytes = sound
            bytes[position] ^= 1 << UInt8(position % 8)
            try overwrite(path, bytes)
            let failures = try specimen.read("byte \(position) of the pack")
            let report = try specimen.fixture.store.verify(level: .deep)
            #expect(!report.isSound, "byte \(position) of the pack")
            // Whoever cannot read something is told so, by ref.
            if failures > 0 {
                #expect(report.damage.contains { $0.ref == "main" }, "byte \(position) of the pack")
            }
        }
    }

    @Test func everyLengthOfAPack() throws {
        let specimen = try Specimen()
        let path = try #require(try specimen.fixture.store.files("packs").first)
        let sound = try contents(of: path)
        for count in stride(from: 0, to: sound.count, by: 41) {
            try overwrite(path, Array(sound[..<count]))
            _ = try specimen.read("\(count) bytes of the pack")
            #expect(try !specimen.fixture.store.verify(level: .checksums).isSound)
        }
    }

    @Test func everyByteOfAnIndexIsHarmless() throws {
        let specimen = try Specimen()
        let path = try #require(try specimen.fixture.store.files("indexes").first)
        let sound = try contents(of: path)
        for position in 0..<sound.count {
            var bytes = sound
            bytes[position] ^= 1 << UInt8(position % 8)
            TemporaryDirectory.remove(path)
            try overwrite(path, bytes)
            #expect(try specimen.read("byte \(position) of the index") == 0)
        }
        // What was made again is sound.
        #expect(try specimen.fixture.store.verify(level: .deep).damage.filter { $0.kind != .index }.isEmpty)
    }

    @Test func everyLengthOfAnIndexIsHarmless() throws {
        let specimen = try Specimen()
        let path = try #require(try specimen.fixture.store.files("indexes").first)
        let sound = try contents(of: path)
        for count in stride(from: 0, to: sound.count, by: 29) {
            TemporaryDirectory.remove(path)
            try overwrite(path, Array(sound[..<count]))
            #expect(try specimen.read("\(count) bytes of the index") == 0)
        }
    }

    @Test func lostIndexesAreMadeAgain() throws {
        let specimen = try Specimen(IngestOptions(packSize: 65_536))
        for path in try specimen.fixture.store.files("indexes") { TemporaryDirectory.remove(path) }
        #expect(try specimen.read("no index") == 0)
        #expect(try specimen.fixture.store.files("indexes").count == 1)
        #expect(try specimen.fixture.store.verify(level: .deep).damage.isEmpty)
    }

    @Test func anIndexIsMadeAgainFromAPackWithoutItsEnd() throws {
        let specimen = try Specimen()
        let index = try #require(try specimen.fixture.store.files("indexes").first)
        let path = try #require(try specimen.fixture.store.files("packs").first)
        TemporaryDirectory.remove(index)
        try overwrite(path, contents(of: path).dropLast(60))
        #expect(try specimen.read("a pack without its end") == 0)
    }

    @Test func anotherCopyIsReadWhenOneIsDamaged() throws {
        let fixture = try Fixture()
        var random = Random(81)
        let bytes = random.bytes(100_000)
        // Two ingests at a time do not know of each other's packs.
        let first = try fixture.store.beginIngest(label: "first")
        let second = try fixture.store.beginIngest(label: "second")
        var roots: [TreeRoot] = []
        for (ingest, extra) in [(first, UInt8(1)), (second, 2)] {
            let editor = try ingest.edit(nil, kind: .disk, length: 200_000)
            try editor.write(bytes, at: 0)
            roots.append(try editor.finish())
            _ = try ingest.putBlob([extra])
            try ingest.finish()
        }
        #expect(roots[0] == roots[1])
        let packs = try fixture.store.files("packs")
        #expect(packs.count == 2)
        for path in packs {
            let sound = try contents(of: path)
            var damaged = sound
            for position in 60..<sound.count { damaged[position] ^= 0x55 }
            try overwrite(path, damaged)
            #expect(try fixture.reopened().read(roots[0], at: 0, count: 100_000) == bytes)
            try overwrite(path, sound)
        }
    }

    @Test func everyByteOfARefAndOfTheLog() throws {
        let specimen = try Specimen()
        for (directory, kind) in [("refs", Damage.Kind.ref), ("operations", .operation)] {
            let path = try #require(try specimen.fixture.store.files(directory).first)
            let sound = try contents(of: path)
            for position in 0..<sound.count {
                var bytes = sound
                bytes[position] ^= 1 << UInt8(position % 7)
                try overwrite(path, bytes)
                _ = try specimen.read("byte \(position) of \(directory)")
                let report = try specimen.fixture.store.verify(level: .structure)
                #expect(report.damage.contains { $0.kind == kind }, "byte \(position) of \(directory)")
            }
            try overwrite(path, sound)
        }
    }

    @Test func aRefUnderAnotherNameIsDamage() throws {
        let specimen = try Specimen()
        let path = try #require(try specimen.fixture.store.files("refs").first)
        try overwrite("\(specimen.fixture.store.path)/refs/other", contents(of: path))
        #expect(throws: StoreError.self) { try specimen.fixture.store.ref("other") }
        // It can be replaced by one who does not care what it was, and removed.
        try specimen.fixture.store.updateRefs([RefChange("other", new: specimen.commit)], operation: "heal")
        #expect(try specimen.fixture.store.ref("other") == specimen.commit)
    }

    @Test func verifyNamesRefObjectPackAndOffset() throws {
        let fixture = try Fixture()
        var random = Random(82)
        // One chunk to a frame.
        let root = try fixture.store.add("vm/a", random.bytes(300_000), options: IngestOptions(compression: .none))
        try fixture.store.updateRefs(
            [RefChange("vm/b", new: try fixture.store.ref("vm/a"))], operation: "clone")
        let path = try #require(try fixture.store.files("packs").first)
        let sound = try contents(of: path)
        var bytes = sound
        // In the second chunk: frames of random bytes are stored raw, one after the other.
        bytes[16 + 65_664 + 1000] ^= 1
        try overwrite(path, bytes)
        #expect(try fixture.store.verify(level: .structure).damage.isEmpty)
        for level in [VerifyLevel.checksums, .deep] {
            let report = try fixture.store.verify(level: level)
            let damage = report.damage.filter { $0.kind == .object }
            #expect(damage.map(\.ref) == ["vm/a", "vm/b"])
            for finding in damage {
                #expect(finding.place == "tree t at 65536")
                #expect(finding.object != nil)
                #expect(finding.pack?.hex == path.split(separator: "/").last?.prefix(64).description)
                #expect(finding.offset == 16 + 65_664)
            }
            #expect(report.damage.contains { $0.kind == .pack && $0.offset == 16 + 65_664 })
        }
        #expect(throws: StoreError.self) { try fixture.reopened().bytes(root) }
        #expect(try fixture.reopened().read(root, at: 0, count: 65_536).count == 65_536)
        // Without the pack everything is missing.
        TemporaryDirectory.remove(path)
        let report = try fixture.store.verify(level: .structure)
        #expect(report.damage.map(\.kind) == [.missing, .missing])
    }

    @Test func unknownFilesAreIgnored() throws {
        let specimen = try Specimen()
        for directory in ["packs", "indexes", "refs", "operations", "leases"] {
            // A plain name in `refs` would be a ref, and a damaged one.
            let plain = directory == "refs" ? [] : ["x", "tmp.pack", "\(String(repeating: "A", count: 64)).pack"]
            for name in plain + ["%zz", ".hidden", "%41", "%"] {
                try overwrite("\(specimen.fixture.store.path)/\(directory)/\(name)", [1, 2, 3])
            }
        }
        #expect(try specimen.read("unknown files") == 0)
        #expect(try specimen.fixture.store.refs().map(\.name) == ["main"])
        #expect(try specimen.fixture.store.verify(level: .deep).damage.isEmpty)
    }

    @Test func unknownFilesAreLeftAlone() throws {
        let fixture = try Fixture()
        let store = fixture.store
        let noDigits = String(repeating: "g", count: 32)
        let foreign = [
            "operations/x.pending", "operations/17.pending", "leases/x", "leases/\(noDigits)",
            "leases/\(String(repeating: "A", count: 32))", "tmp/\(noDigits).pack",
        ]
        for name in foreign { try overwrite("\(store.path)/\(name)", [1, 2, 3]) }
        // Somebody's lock on a file that is no lease keeps nothing.
        let held = try SystemFileSystem().open("\(store.path)/leases/x", flags: O_RDWR, mode: 0)
        defer { SystemFileSystem().close(held) }
        #expect(try SystemFileSystem().lock(held, exclusive: true, wait: false))
        #expect(try store.leases().isEmpty)
        try store.add("a", [1])
        try store.updateRefs([RefChange("a", new: nil)], operation: "remove")
        #expect(try store.collect(CollectOptions(keepOperations: 0)).freed.packs == 1)
        for name in foreign { #expect(try contents(of: "\(store.path)/\(name)") == [1, 2, 3], "\(name)") }
    }

    @Test func otherDirectoriesAndVersionsAreRefused() throws {
        let directory = try TemporaryDirectory()
        func code(_ path: String, create: Bool) -> StoreError.Code? {
            do {
                _ = try ContentStore.open(at: path, createIfMissing: create)
                return nil
            } catch { return error.code }
        }
        #expect(code("\(directory.path)/none", create: false) == .notFound)
        #expect(code("\(directory.path)/none/below", create: true) == .notFound)
        mkdir("\(directory.path)/other", 0o700)
        try overwrite("\(directory.path)/other/file", [1])
        #expect(code("\(directory.path)/other", create: true) == .notAStore)
        try overwrite("\(directory.path)/other/format", Array("something else\n".utf8))
        #expect(code("\(directory.path)/other", create: true) == .notAStore)
        try overwrite("\(directory.path)/other/format", Array("stemma content store\nversion 3\n".utf8))
        #expect(code("\(directory.path)/other", create: true) == .unsupportedVersion)
    }
}
