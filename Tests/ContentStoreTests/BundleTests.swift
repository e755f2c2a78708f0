import ContentStore
import Glibc
import Synchronization
import Testing

/// A store with a VM of several snapshots and another one, for bundles and statistics.
struct Lineage {
    let fixture: Fixture
    /// The commits of the VM, each with a disk, RAM and blobs.
    private(set) var commits: [Digest] = []
    private(set) var other: Digest

    var store: ContentStore { fixture.store }

    init(_ seed: UInt64, options: IngestOptions = IngestOptions(packSize: 300_000), isSmall: Bool = false) throws {
        fixture = try Fixture()
        var random = Random(seed)
        let part = isSmall ? 5 : 1
        var disk = random.bytes(900_000 / part) + [UInt8](repeating: 0, count: 400_000 / part)
        disk += random.text(300_000 / part)
        var memory = random.bytes(120_000 / part) + random.text(80_000 / part)
        var trees: [String: TreeRoot] = [:]
        for number in 0..<4 {
            let ingest = try fixture.store.beginIngest(label: "vm", options: options)
            for (name, kind, bytes) in [("vda", TreeKind.disk, disk), ("ram", .memory, memory)] {
                let editor = try ingest.edit(trees[name], kind: kind, length: UInt64(bytes.count))
                try editor.write(bytes, at: 0)
                trees[name] = try editor.finish()
            }
            let blobs = [
                "devices": try ingest.putBlob(random.bytes(3000)), "empty": try ingest.putBlob([]),
                "kernel": try ingest.putBlob([UInt8](repeating: 7, count: 70_000) + random.bytes(90_000)),
            ]
            let commit = try ingest.putCommit(
                Commit(
                    kind: "snapshot", parents: commits.suffix(1), trees: trees, blobs: blobs,
                    message: "number \(number)", time: Timestamp(seconds: Int64(number))))
            try ingest.publish([RefChange("vm/snapshots/\(number)", new: commit)], operation: "snapshot")
            commits.append(commit)
            for _ in 0..<3 {
                let position = Int.random(in: 0..<disk.count - 9000, using: &random)
                disk.replaceSubrange(position..<position + 9000, with: random.bytes(9000))
            }
            let position = Int.random(in: 0..<memory.count - 9000, using: &random)
            memory.replaceSubrange(position..<position + 9000, with: random.bytes(9000))
        }
        // Another VM that shares half of the disk, in the same packs as nothing else.
        let ingest = try fixture.store.beginIngest(label: "other", options: options)
        let editor = try ingest.edit(nil, kind: .disk, length: 1_000_000)
        try editor.write(Array(disk[..<(500_000 / part)]) + random.bytes(200_000 / part), at: 0)
        other = try ingest.putCommit(
            Commit(kind: "vm", trees: ["vda": try editor.finish()], time: Timestamp(seconds: 9)))
        try ingest.publish([RefChange("other/head", new: other)], operation: "other")
    }

    /// Fails unless a store has a commit with all its bytes.
    func check(_ digest: Digest, in copy: ContentStore, _ context: Comment? = nil) throws {
        let commit = try store.commit(digest)
        #expect(try copy.commit(digest) == commit, context)
        for tree in commit.trees.values { #expect(try copy.bytes(tree) == store.bytes(tree), context) }
        for blob in commit.blobs.values { #expect(try copy.blob(blob) == store.blob(blob), context) }
    }
}

/// Commits go from one store to another as one file.
@Suite struct BundleTests {
    /// Fails unless nothing of an import is left.
    private func expectUntouched(_ store: ContentStore, _ context: Comment? = nil) throws {
        for directory in ["packs", "tmp", "leases", "indexes", "refs"] {
            #expect(try store.files(directory).isEmpty, context)
        }
    }

    @Test(arguments: [nil, Compression.zstd(level: 3), Compression.none])
    func roundTrip(compression: Compression?) throws {
        let source = try Lineage(400)
        let target = try Fixture()
        let path = "\(source.fixture.directory.path)/a.bundle"
        let last = try #require(source.commits.last)
        let sent = try source.store.exportBundle(
            to: path, commits: [last, source.commits[1]], refs: ["vm/head": last, "vm/one": source.commits[1]],
            compression: compression)
        #expect(try contents(of: path).count == Int(sent.bytes))
        let incoming = try target.store.importBundle(from: path)
        #expect(incoming.commits == [last, source.commits[1]])
        #expect(incoming.refs.map(\.name) == ["vm/head", "vm/one"])
        #expect(incoming.report == sent)
        #expect(incoming.manifest.objects == sent.objects)
        // It is kept while it is held, and no name was made.
        #expect(try target.store.leases().count == 1)
        #expect(try target.store.refs().isEmpty)
        try incoming.publish(
            incoming.refs.map { RefChange($0.name, expected: .some(nil), new: $0.commit) }, operation: "i")
        #expect(try target.store.leases().isEmpty)
        for commit in incoming.commits { try source.check(commit, in: try target.reopened()) }
        #expect(try target.store.verify(level: .deep).damage.isEmpty)
        // The history is there, the trees of the ancestors are not.
        let ancestor = try target.store.commit(source.commits[2])
        #expect(ancestor.message == "number 2")
        // Nothing of the other VM was sent.
        #expect(try !target.store.contains(source.other))
        #expect(try target.store.usage(of: incoming.commits).unneededBytes < 6000)
        // A second import writes nothing.
        let packs = try target.store.files("packs")
        let again = try target.store.importBundle(from: path)
        #expect(again.report.newObjects == 0)
        #expect(try target.store.files("packs") == packs)
        #expect(try SystemFileSystem().entries(of: source.fixture.directory.path).sorted() == ["a.bundle", "store"])
    }

    @Test func incremental() throws {
        let source = try Lineage(401)
        let target = try Fixture()
        let path = "\(source.fixture.directory.path)/a.bundle"
        let commits = source.commits
        let full = try source.store.exportBundle(to: path, commits: [commits[0]], refs: ["vm": commits[0]])
        try target.store.importBundle(from: path).publish([RefChange("vm", new: commits[0])], operation: "full")
        for number in 1..<4 {
            let step = try source.store.exportBundle(
                to: path, commits: [commits[number]], excluding: [commits[number - 1]])
            #expect(step.bytes < full.bytes / 2)
            #expect(try target.store.bundleManifest(at: path).bases == [commits[number - 1]])
            let incoming = try target.store.importBundle(from: path)
            try incoming.publish([RefChange("vm", new: commits[number])], operation: "step")
            try source.check(commits[number], in: target.reopened())
        }
        #expect(try target.store.verify(level: .deep).damage.isEmpty)
        // Several at once, and a base that has nothing in common.
        let all = try source.store.exportBundle(to: path, commits: commits, excluding: [source.other])
        let third = try Fixture()
        do {
            _ = try third.store.importBundle(from: path)
            Issue.record("the base is missing")
        } catch {
            #expect(error.code == .notFound)
            #expect(error.message.contains(source.other.short))
        }
        try expectUntouched(third.store)
        #expect(all.objects > full.objects)
        // Nothing to send but the commit.
        #expect(try source.store.exportBundle(to: path, commits: [commits[1]], excluding: commits).objects == 0)
        #expect(try target.store.importBundle(from: path).report.objects == 0)
    }

    /// The receiver has the commit object of the base, as an ancestor, and not its trees.
    @Test func aBaseThatIsNotWholeIsRefused() throws {
        let source = try Lineage(402)
        let target = try Fixture()
        let path = "\(source.fixture.directory.path)/a.bundle"
        let commits = source.commits
        _ = try source.store.exportBundle(to: path, commits: [commits[3]])
        try target.store.importBundle(from: path).publish([RefChange("vm", new: commits[3])], operation: "i")
        #expect(try target.store.contains(commits[0]))
        _ = try source.store.exportBundle(to: path, commits: [commits[1]], excluding: [commits[0]])
        let before = try target.store.files("packs")
        do {
            _ = try target.store.importBundle(from: path)
            Issue.record("the base is not whole")
        } catch {
            #expect(error.code == .notFound)
        }
        #expect(try target.store.files("packs") == before)
        #expect(try target.store.files("tmp").isEmpty)
    }

    @Test func throughAPipe() throws {
        let source = try Lineage(403)
        let target = try Fixture()
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let (input, output) = (ends[0], ends[1])
        let commit = source.commits[3]
        let store = source.store
        let sent = Mutex<BundleReport?>(nil)
        let sender = try OtherThread {
            let report = try? store.exportBundle(to: output, commits: [commit])
            sent.withLock { $0 = report }
            close(output)
        }
        defer { close(input) }
        let incoming = try target.store.importBundle(from: input)
        sender.join()
        #expect(incoming.report == sent.withLock { $0 })
        try source.check(commit, in: try target.reopened())
    }

    @Test func theSenderMustHaveEverything() throws {
        let source = try Lineage(404)
        let path = "\(source.fixture.directory.path)/a.bundle"
        let stranger = Digest(of: [1])
        for (commits, bases) in [([stranger], []), ([source.commits[0]], [stranger])] {
            #expect(throws: StoreError.self) {
                try source.store.exportBundle(to: path, commits: commits, excluding: bases)
            }
        }
        #expect(throws: StoreError.self) {
            try source.store.exportBundle(to: path, commits: [source.other], refs: ["x": source.commits[0]])
        }
        #expect(throws: StoreError.self) { try source.store.exportBundle(to: path, commits: []) }
        // Damaged data is not sent: no file appears.
        for pack in try source.store.files("packs") {
            var bytes = try contents(of: pack)
            for position in stride(from: 40, to: bytes.count - 60, by: 5000) { bytes[position] ^= 4 }
            try overwrite(pack, bytes)
        }
        do {
            _ = try source.fixture.reopened().exportBundle(to: path, commits: [source.commits[0]])
            Issue.record("a damaged store was exported")
        } catch let error as StoreError {
            #expect(error.code == .damaged || error.code == .notFound)
        }
        #expect(try SystemFileSystem().entries(of: source.fixture.directory.path) == ["store"])
        #expect(try source.store.leases().isEmpty)
    }

    @Test func aFullDiskLeavesNothing() throws {
        let source = try Lineage(405)
        let path = "\(source.fixture.directory.path)/a.bundle"
        _ = try source.store.exportBundle(to: path, commits: [source.commits[3]])
        let counter = FaultyFileSystem()
        let whole = try Fixture()
        let counted = try ContentStore.open(at: whole.store.path, createIfMissing: false, fileSystem: counter)
        try counted.importBundle(from: path).publish([RefChange("vm", new: source.commits[3])], operation: "i")
        for number in stride(from: 0, to: counter.calls, by: 7) {
            let target = try Fixture()
            let system = FaultyFileSystem(.from(number, errno: ENOSPC))
            do {
                let store = try ContentStore.open(at: target.store.path, createIfMissing: false, fileSystem: system)
                try store.importBundle(from: path).publish([RefChange("vm", new: source.commits[3])], operation: "i")
                try source.check(source.commits[3], in: target.reopened(), "call \(number)")
            } catch let error as StoreError {
                #expect(error.code == .noSpace, "call \(number): \(error)")
                #expect(try target.store.verify(level: .deep).damage.isEmpty)
                // Only when the very last calls fail, the ref is there already.
                if try target.store.ref("vm") != nil {
                    try source.check(source.commits[3], in: target.reopened(), "call \(number)")
                }
                // What could not be deleted on the broken disk goes with the next ingest and the next change of refs.
                try target.store.beginIngest(label: "sweep").close()
                try target.store.updateRefs([], operation: "sweep")
                #expect(try target.store.files("tmp").isEmpty, "call \(number)")
            }
        }
    }

    @Test func anImportThatDiesLeavesNothingVisible() throws {
        let source = try Lineage(406)
        let path = "\(source.fixture.directory.path)/a.bundle"
        _ = try source.store.exportBundle(to: path, commits: [source.commits[3]])
        for number in stride(from: 0, to: 400, by: 11) {
            let target = try Fixture()
            let system = FaultyFileSystem(.crash(at: number))
            var isDone = false
            do {
                let store = try ContentStore.open(at: target.store.path, createIfMissing: false, fileSystem: system)
                _ = try store.importBundle(from: path)
                isDone = true
            } catch {
                isDone = false
            }
            #expect(try target.reopened().verify(level: .deep).damage.isEmpty)
            try target.store.beginIngest(label: "sweep").close()
            #expect(try target.store.files("tmp").isEmpty, "call \(number)")
            try target.store.importBundle(from: path).publish([RefChange("vm", new: source.commits[3])], operation: "i")
            try source.check(source.commits[3], in: target.reopened(), "call \(number)")
            if isDone { break }
        }
    }
}
