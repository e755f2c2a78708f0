import ContentStore
import Glibc
import Testing

/// What the collector keeps, what it deletes, and what waits.
@Suite struct CollectorTests {
    private let eager = CollectOptions(keepOperations: 0, maximumUnused: 0)

    private func code(_ body: () throws -> Void) -> StoreError.Code? {
        do { try body() } catch { return (error as? StoreError)?.code }
        return nil
    }

    private func remove(_ store: ContentStore, _ name: String) throws {
        try store.updateRefs([RefChange(name, new: nil)], operation: "remove \(name)")
    }

    private func packBytes(_ store: ContentStore) throws -> UInt64 { try store.statistics().packBytes }

    @Test func whatNothingNeedsIsDeleted() throws {
        let fixture = try Fixture()
        let store = fixture.store
        var random = Random(1)
        let kept = random.bytes(300_000)
        let lost = random.bytes(500_000)
        let root = try store.add("kept", kept)
        let other = try store.add("lost", lost)
        let before = try packBytes(store)
        try remove(store, "lost")
        // The log still names it.
        let first = try store.collect()
        #expect(first.freed.packs == 0 && first.trashed.packs == 0 && first.deadObjects == 0)
        #expect(first.refs == 1 && first.operations == 3)
        let predicted = try store.collect(
            CollectOptions(keepOperations: 0, maximumUnused: 0, isDryRun: true))
        #expect(try packBytes(store) == before)
        let report = try store.collect(eager)
        #expect(report.trashed.packs == 1 && report.freed == report.trashed && report.waiting.isEmpty)
        #expect(report.before.bytes == before)
        #expect(report.after.bytes == before - report.freed.bytes)
        #expect(try packBytes(store) == report.after.bytes)
        #expect(predicted.isDryRun && predicted.freed == report.freed && predicted.after == report.after)
        #expect(predicted.liveObjects == report.liveObjects && predicted.deadObjects == report.deadObjects)
        #expect(try store.bytes(root) == kept)
        #expect(code { _ = try fixture.reopened().bytes(other) } == .notFound)
        #expect(try store.verify(level: .deep).damage.isEmpty)
        // Nothing is left to do.
        let again = try store.collect(eager)
        #expect(again.trashed.packs == 0 && again.rewritten.packs == 0 && again.deadObjects == 0)
        #expect(try store.statistics().indexes == 1)
    }

    @Test func anEmptyStoreAndOneWithoutTrash() throws {
        let fixture = try Fixture()
        #expect(try fixture.store.collect(eager).before.packs == 0)
        let path = "\(fixture.store.path)/trash"
        for name in try SystemFileSystem().entries(of: path) { unlink("\(path)/\(name)") }
        #expect(rmdir(path) == 0)
        let store = try fixture.reopened()
        try store.add("a", [1, 2, 3])
        try remove(store, "a")
        #expect(try store.collect(CollectOptions(keepOperations: 0, isDryRun: true)).freed.packs == 1)
        #expect(try store.collect(eager).freed.packs == 1)
    }

    @Test func packsWithLittleOfUseAreRewritten() throws {
        let fixture = try Fixture()
        let store = fixture.store
        var random = Random(2)
        // One pack with both; frames of pages that are needed in part.
        var pages = random.bytes(4096 * 200)
        let blob = random.bytes(200_000)
        let ingest = try store.beginIngest(label: "both")
        func commit(_ bytes: [UInt8], _ blob: [UInt8]?) throws -> Digest {
            let editor = try ingest.edit(nil, kind: .memory, length: UInt64(bytes.count))
            try editor.write(bytes, at: 0)
            let root = try editor.finish()
            var commit = Commit(kind: "t", trees: ["t": root], time: Timestamp(seconds: 1))
            if let blob { commit.blobs["b"] = try ingest.putBlob(blob) }
            return try ingest.putCommit(commit)
        }
        let whole = try commit(pages, blob)
        for page in 0..<200 where page % 5 != 0 {
            pages.replaceSubrange(page * 4096..<page * 4096 + 4096, with: [UInt8](repeating: 0, count: 4096))
        }
        let part = try commit(pages, nil)
        try ingest.publish([RefChange("whole", new: whole), RefChange("part", new: part)], operation: "add")
        try remove(store, "whole")
        let before = try packBytes(store)
        let report = try store.collect(CollectOptions(keepOperations: 0))
        #expect(report.rewritten.packs == 1 && report.written.packs == 1 && report.freed.packs == 1)
        #expect(report.after.bytes < before / 3)
        #expect(report.unusedBytes == 0)
        let fresh = try fixture.reopened()
        let tree = try #require(try fresh.commit(part).trees["t"])
        #expect(try fresh.bytes(tree) == pages)
        #expect(try store.bytes(tree) == pages)
        #expect(try fresh.verify(level: .deep).damage.isEmpty)
        #expect(try store.statistics().objects == 40 + 1 + 1)
    }

    @Test func manySmallPacksBecomeOne() throws {
        let fixture = try Fixture()
        let store = fixture.store
        var random = Random(3)
        var roots: [(TreeRoot, [UInt8])] = []
        for number in 0..<40 {
            let bytes = random.bytes(70_000)
            roots.append((try store.add("r\(number)", bytes), bytes))
        }
        let report = try store.collect()
        #expect(report.rewritten.packs == 40 && report.written.packs == 1 && report.after.packs == 1)
        for (root, bytes) in roots { #expect(try store.bytes(root) == bytes) }
        #expect(try store.statistics().indexes == 1)
        #expect(try store.collect().rewritten.packs == 0)
    }

    @Test func historyIsKeptAndContentsOfAncestorsAreNot() throws {
        let fixture = try Fixture()
        let store = fixture.store
        var random = Random(4)
        let old = try store.add("main", random.bytes(200_000))
        let first = try #require(try store.ref("main"))
        let bytes = random.bytes(200_000)
        let ingest = try store.beginIngest(label: "second")
        let editor = try ingest.edit(nil, kind: .disk, length: 200_000)
        try editor.write(bytes, at: 0)
        let second = try ingest.putCommit(
            Commit(kind: "t", parents: [first], trees: ["t": try editor.finish()], time: Timestamp(seconds: 2)))
        try ingest.publish([RefChange("main", new: second)], operation: "second")
        _ = try store.collect(eager)
        let fresh = try fixture.reopened()
        #expect(try fresh.commit(second).parents == [first])
        #expect(try fresh.commit(first).trees["t"] == old)
        #expect(code { _ = try fresh.bytes(old) } == .notFound)
        #expect(try fresh.verify(level: .deep).damage.isEmpty)
        // A ref to the hollow ancestor would be a lie.
        #expect(code { try fresh.updateRefs([RefChange("old", new: first)], operation: "x") } == .notFound)
        #expect(try fresh.ref("old") == nil)
    }

    @Test func aBlobWithTheBytesOfANodeHidesNothing() throws {
        let fixture = try Fixture()
        let store = fixture.store
        var random = Random(5)
        let bytes = random.bytes(400_000)
        let root = try store.add("tree", bytes)
        let top = try #require(root.digest)
        let node = try store.blob(top)
        let ingest = try store.beginIngest(label: "hostile")
        let commit = try ingest.putCommit(
            Commit(kind: "t", blobs: ["b": try ingest.putBlob(node)], time: Timestamp(seconds: 1)))
        // Sorted before the tree's ref, so that it is marked first.
        try ingest.publish([RefChange("a", new: commit)], operation: "hostile")
        try remove(store, "a")
        try store.updateRefs([RefChange("a", new: commit)], operation: "again")
        _ = try store.collect(eager)
        #expect(try fixture.reopened().bytes(root) == bytes)
    }

    @Test func pinsOfLeasesAreKept() throws {
        let fixture = try Fixture()
        let store = fixture.store
        var random = Random(6)
        let disk = random.bytes(300_000)
        let ram = random.bytes(300_000)
        let root = try store.add("disk", disk)
        let commit = try #require(try store.ref("disk"))
        let memory = try store.add("ram", ram, kind: .memory)
        let top = try #require(memory.digest)
        do {
            let lease = try store.lease(label: "run", pins: [commit, top, Digest(of: [1, 2])], scope: .pins)
            try remove(store, "disk")
            try remove(store, "ram")
            let report = try fixture.reopened().collect(eager)
            #expect(report.pins == 3 && report.missingObjects == 1)
            #expect(try fixture.reopened().bytes(root) == disk)
            #expect(try fixture.reopened().bytes(memory) == ram)
            withExtendedLifetime(lease) {}
        }
        let report = try store.collect(eager)
        #expect(report.freed.packs > 0 && report.after.packs == 0)
    }

    @Test func theTrashWaitsForLeasesThatMayNeedIt() throws {
        let fixture = try Fixture()
        let store = fixture.store
        var random = Random(7)
        let bytes = random.bytes(200_000)
        let root = try store.add("a", bytes)
        try remove(store, "a")
        do {
            let old = try store.lease(label: "old import")
            let reader = try store.lease(label: "reader", scope: .pins)
            let report = try fixture.reopened().collect(eager)
            #expect(report.trashed.packs == 1 && report.freed.packs == 0 && report.waitingPacks.packs == 1)
            #expect(report.waiting.map(\.label) == ["old import"])
            #expect(report.waiting.first?.trash == report.trashed)
            // Readers find it there.
            #expect(try fixture.reopened().bytes(root) == bytes)
            #expect(try store.bytes(root) == bytes)
            // A lease that began afterwards does not need it.
            let young = try store.lease(label: "young")
            #expect(try store.collect(eager).waiting.map(\.label) == ["old import"])
            withExtendedLifetime((old, reader, young)) {}
        }
        let report = try store.collect(eager)
        #expect(report.freed.packs == 1 && report.waiting.isEmpty)
        #expect(try store.files("trash").allSatisfy { $0.hasSuffix("/epoch") })
    }

    @Test func anUnreadableLeaseKeepsEverything() throws {
        let fixture = try Fixture()
        let store = fixture.store
        try store.add("a", [1, 2, 3])
        try remove(store, "a")
        let lease = try store.lease(label: "x", scope: .pins)
        let path = try #require(try store.files("leases").first)
        try overwrite(path, Array("nonsense\n".utf8))
        #expect(try store.collect(eager).waitingPacks.packs == 1)
        withExtendedLifetime(lease) {}
    }

    @Test func anIngestResurrectsWhatItDidNotStoreAgain() throws {
        let fixture = try Fixture()
        let store = fixture.store
        var random = Random(8)
        let bytes = random.bytes(400_000)
        let root = try store.add("a", bytes)
        try remove(store, "a")
        let ingest = try store.beginIngest(label: "again")
        let editor = try ingest.edit(nil, kind: .disk, length: 400_000)
        try editor.write(bytes, at: 0)
        #expect(try editor.finish() == root)
        #expect(ingest.statistics.leavesReused == 7)
        // The collection comes in the middle, in another process.
        #expect(try fixture.reopened().collect(eager).trashed.packs == 1)
        let commit = try ingest.putCommit(Commit(kind: "t", trees: ["t": root], time: Timestamp(seconds: 1)))
        try ingest.publish([RefChange("b", new: commit)], operation: "again")
        #expect(try fixture.reopened().bytes(root) == bytes)
        let report = try store.collect(eager)
        #expect(try fixture.reopened().bytes(root) == bytes)
        #expect(report.missingObjects == 0)
        #expect(try store.verify(level: .deep).damage.isEmpty)
    }

    @Test func anIngestResurrectsWhatItTookOverFromItsBase() throws {
        let fixture = try Fixture()
        let store = fixture.store
        var random = Random(9)
        var bytes = random.bytes(20 << 20)
        let root = try store.add("a", bytes)
        let ingest = try store.beginIngest(label: "edit")
        try remove(store, "a")
        let collector = try fixture.reopened()
        #expect(try collector.collect(eager).trashed.packs == 1)
        let editor = try ingest.edit(root, kind: .disk, length: root.length)
        try editor.write([1, 2, 3], at: 70_000)
        bytes.replaceSubrange(70_000..<70_003, with: [1, 2, 3])
        let changed = try editor.finish()
        let commit = try ingest.putCommit(Commit(kind: "t", trees: ["t": changed], time: Timestamp(seconds: 1)))
        try ingest.finish()
        // Even between finishing and naming.
        #expect(try collector.collect(eager).freed.packs == 0)
        try store.updateRefs([RefChange("b", new: commit)], operation: "edit")
        ingest.close()
        #expect(try collector.collect(eager).after.packs > 0)
        #expect(try fixture.reopened().bytes(changed) == bytes)
        #expect(try store.verify(level: .deep).damage.isEmpty)
    }

    @Test func whatWasCollectedCannotBeNamed() throws {
        let fixture = try Fixture()
        let store = fixture.store
        var random = Random(10)
        // The first tree shares a pack with the second, so that its commit survives it.
        let ingest = try store.beginIngest(label: "two", options: IngestOptions(packSize: 300_000))
        let editor = try ingest.edit(nil, kind: .disk, length: 1 << 20)
        try editor.write(random.bytes(1 << 20), at: 0)
        let lost = try editor.finish()
        let commit = try ingest.putCommit(Commit(kind: "t", trees: ["t": lost], time: Timestamp(seconds: 1)))
        let other = try ingest.putBlob(random.bytes(60_000))
        let kept = try ingest.putCommit(Commit(kind: "t", blobs: ["b": other], time: Timestamp(seconds: 1)))
        try ingest.publish([RefChange("lost", new: commit), RefChange("kept", new: kept)], operation: "two")
        try remove(store, "lost")
        _ = try store.collect(CollectOptions(keepOperations: 0, maximumUnused: 1, rewriteBelow: 0))
        #expect(try store.contains(commit))
        #expect(code { try store.updateRefs([RefChange("lost", new: commit)], operation: "x") } == .notFound)
        // Nor can a new commit use its tree.
        let second = try fixture.reopened().beginIngest(label: "second")
        let wrong = try? second.putCommit(Commit(kind: "t", trees: ["t": lost], time: Timestamp(seconds: 2)))
        if let wrong {
            #expect(code { try second.publish([RefChange("x", new: wrong)], operation: "x") } == .notFound)
        }
        #expect(try store.refs().map(\.name) == ["kept"])
    }

    @Test func partsOfABlobAreStoredAgainWhenOnlyItsListIsLeft() throws {
        let fixture = try Fixture()
        let store = fixture.store
        var random = Random(11)
        let bytes = random.bytes(700_000)
        func add(_ name: String) throws {
            let ingest = try store.beginIngest(label: "blob", options: IngestOptions(packSize: 300_000))
            let blob = try ingest.putBlob(bytes)
            let commit = try ingest.putCommit(Commit(kind: name, blobs: ["b": blob], time: Timestamp(seconds: 1)))
            let small = try ingest.putCommit(Commit(kind: "small", time: Timestamp(seconds: 1)))
            try ingest.publish([RefChange(name, new: commit), RefChange("small", new: small)], operation: name)
        }
        try add("first")
        try remove(store, "first")
        _ = try store.collect(CollectOptions(keepOperations: 0, maximumUnused: 1, rewriteBelow: 0))
        try add("second")
        _ = try store.collect(eager)
        #expect(try fixture.reopened().blob(Digest(of: bytes)) == bytes)
    }

    @Test func readersInTheMiddleOfATree() throws {
        let fixture = try Fixture()
        let store = fixture.store
        var random = Random(12)
        let bytes = random.bytes(1 << 20)
        let garbage = random.bytes(3 << 20)
        let ingest = try store.beginIngest(label: "both", options: IngestOptions(packSize: 500_000))
        func tree(_ bytes: [UInt8]) throws -> (TreeRoot, Digest) {
            let editor = try ingest.edit(nil, kind: .disk, length: UInt64(bytes.count))
            try editor.write(bytes, at: 0)
            let root = try editor.finish()
            return (root, try ingest.putCommit(Commit(kind: "t", trees: ["t": root], time: Timestamp(seconds: 1))))
        }
        var mixed = garbage
        for index in 0..<16 {
            mixed.replaceSubrange(
                index * 196_608..<index * 196_608 + 65_536, with: bytes[index * 65_536..<index * 65_536 + 65_536])
        }
        let (_, lost) = try tree(mixed)
        let (root, kept) = try tree(bytes)
        try ingest.publish([RefChange("lost", new: lost), RefChange("kept", new: kept)], operation: "both")
        let reader = try fixture.reopened()
        #expect(try reader.read(root, at: 0, count: 100_000) == Array(bytes[..<100_000]))
        try remove(store, "lost")
        let report = try store.collect(eager)
        #expect(report.rewritten.packs > 3 && report.freed.packs >= report.rewritten.packs)
        #expect(try reader.bytes(root) == bytes)
        #expect(try reader.verify(level: .deep).damage.isEmpty)
    }

    @Test func furtherCopiesGoAfterTheKeptOneWasChecked() throws {
        let fixture = try Fixture()
        let store = fixture.store
        var random = Random(13)
        let bytes = random.bytes(300_000)
        // Two ingests that do not know of each other store the same.
        func stored(_ ingest: Ingest) throws -> TreeRoot {
            let editor = try ingest.edit(nil, kind: .disk, length: 300_000)
            try editor.write(bytes, at: 0)
            return try editor.finish()
        }
        let first = try store.beginIngest(label: "1")
        let second = try store.beginIngest(label: "2")
        let root = try stored(first)
        #expect(try stored(second) == root)
        let commit = try first.putCommit(Commit(kind: "1", trees: ["t": root], time: Timestamp(seconds: 1)))
        try first.publish([RefChange("1", new: commit)], operation: "1")
        let other = try second.putCommit(Commit(kind: "2", trees: ["t": root], time: Timestamp(seconds: 1)))
        try second.publish([RefChange("2", new: other)], operation: "2")
        #expect(try store.statistics().packs == 2)
        // One of the copies is damaged, whichever is kept.
        for path in try store.files("packs") {
            let sound = try contents(of: path)
            var bad = sound
            bad[20_000] ^= 1
            try overwrite(path, bad)
            let copy = "\(fixture.directory.path)/copy"
            try clone(store.path, copy)
            let damaged = try ContentStore.open(at: copy, createIfMissing: false)
            _ = try damaged.collect(eager)
            #expect(try ContentStore.open(at: copy, createIfMissing: false).bytes(root) == bytes)
            TemporaryDirectory.remove(copy)
            try overwrite(path, sound)
        }
        let report = try fixture.reopened().collect(eager)
        #expect(report.after.bytes < 310_000 && report.unusedBytes == 0)
        #expect(try fixture.reopened().bytes(root) == bytes)
    }

    @Test func aDamagedStoreIsNotCollected() throws {
        let fixture = try Fixture()
        let store = fixture.store
        var random = Random(14)
        try store.add("whole", random.bytes(100_000))
        try remove(store, "whole")
        try store.add("main", random.bytes(100_000))
        let ref = try #require(try store.files("refs").first)
        let text = try contents(of: ref)
        try overwrite(ref, Array("digest x\n".utf8))
        #expect(code { _ = try store.collect(eager) } == .damaged)
        try overwrite(ref, text)
        // Without the nodes nobody knows which leaves are needed.
        let pack = try #require(try store.files("packs").last)
        let bytes = try contents(of: pack)
        for path in try store.files("packs") {
            let sound = try contents(of: path)
            try overwrite(path, sound.map { $0 ^ 0x55 })
            let result = code { _ = try fixture.reopened().collect(CollectOptions(keepOperations: 0)) }
            // The other pack is of the removed ref.
            #expect(result == nil || result == .damaged)
            try overwrite(path, sound)
            if result == .damaged { #expect(try fixture.reopened().verify(level: .deep).damage.isEmpty) }
        }
        _ = bytes
    }

    @Test func onlyOneCollectsAtATime() throws {
        let fixture = try Fixture()
        let store = fixture.store
        try store.add("a", [1])
        var inner: StoreError.Code?
        _ = try store.collect(eager) { _ in
            if inner == nil { inner = code { _ = try fixture.reopened().collect(eager) } }
        }
        #expect(inner == .busy)
    }

    @Test func aDeadCollectorLeavesAnOddEpoch() throws {
        let fixture = try Fixture()
        let store = fixture.store
        var random = Random(15)
        let bytes = random.bytes(100_000)
        let root = try store.add("a", bytes)
        let commit = try #require(try store.ref("a"))
        try remove(store, "a")
        let lease = try store.lease(label: "holds the trash")
        _ = try store.collect(eager)
        for text in ["epoch 3\ncrc32c 00000000\n", "", "rubbish"] {
            try overwrite("\(store.path)/trash/epoch", Array(text.utf8))
            try store.updateRefs([RefChange("b", new: commit)], operation: "clone from the trash")
            #expect(try fixture.reopened().bytes(root) == bytes)
            try remove(store, "b")
            #expect(try store.collect(eager).waitingPacks.packs == 1)
        }
        withExtendedLifetime(lease) {}
    }
}

/// Copies a directory.
func clone(_ from: String, _ to: String) throws {
    guard let entries = try? SystemFileSystem().entries(of: from) else { return try overwrite(to, contents(of: from)) }
    mkdir(to, 0o700)
    for name in entries { try clone("\(from)/\(name)", "\(to)/\(name)") }
}
