import ContentStore
import Glibc
import Testing

/// Refs, the operation log, leases, and several writers at a time.
@Suite struct RefTests {
    private func commits(_ store: ContentStore, _ count: Int) throws -> [Digest] {
        let ingest = try store.beginIngest(label: "commits")
        let digests = try (0..<count).map {
            try ingest.putCommit(Commit(kind: "c", message: String($0), time: Timestamp(seconds: 0)))
        }
        try ingest.finish()
        return digests
    }

    private func code(_ body: () throws -> Void) -> StoreError.Code? {
        do { try body() } catch { return (error as? StoreError)?.code }
        return nil
    }

    @Test func compareAndSwap() throws {
        let fixture = try Fixture()
        let store = fixture.store
        let c = try commits(store, 3)
        try store.updateRefs([RefChange("a", expected: .some(nil), new: c[0])], operation: "make")
        #expect(
            code { try store.updateRefs([RefChange("a", expected: .some(nil), new: c[1])], operation: "x") } == .exists)
        #expect(code { try store.updateRefs([RefChange("a", expected: c[1], new: c[2])], operation: "x") } == .conflict)
        #expect(code { try store.updateRefs([RefChange("b", expected: c[1], new: c[2])], operation: "x") } == .conflict)
        #expect(code { try store.updateRefs([RefChange("b", new: Digest(of: [9]))], operation: "x") } == .notFound)
        // One that does not fit stops all.
        #expect(
            code {
                try store.updateRefs(
                    [RefChange("n", new: c[0]), RefChange("a", expected: c[1], new: c[2])], operation: "x")
            } == .conflict)
        #expect(try store.ref("n") == nil)
        try store.updateRefs(
            [RefChange("a", expected: c[0], new: c[1]), RefChange("b", expected: .some(nil), new: c[2])],
            operation: "move")
        try store.updateRefs([RefChange("b", expected: c[2], new: nil)], operation: "remove")
        #expect(try store.ref("a") == c[1])
        #expect(try store.ref("b") == nil)
        let operations = try fixture.reopened().operations()
        #expect(operations.map(\.operation) == ["make", "move", "remove"])
        #expect(operations.map(\.number) == [1, 2, 3])
        #expect(
            operations[1].changes == [
                Operation.Change(ref: "a", old: c[0], new: c[1], applied: true),
                Operation.Change(ref: "b", old: nil, new: c[2], applied: true),
            ])
        #expect(operations[2].changes == [Operation.Change(ref: "b", old: c[2], new: nil, applied: true)])
    }

    @Test func names() throws {
        let fixture = try Fixture()
        let c = try commits(fixture.store, 1)
        let good = [
            "vm/Debian", "vm/Debian/x", ".", "..", ".hidden", "a b", "ü", "%41", "a%2Fb", "😀",
            String(repeating: "x", count: 200),
        ]
        for name in good { try fixture.store.updateRefs([RefChange(name, new: c[0])], operation: name) }
        #expect(try Set(fixture.store.refs().map(\.name)) == Set(good))
        #expect(try fixture.store.refs(prefix: "vm/").map(\.name) == ["vm/Debian", "vm/Debian/x"])
        #expect(try fixture.store.verify(level: .structure).refs == good.count)
        for name in ["", "a\nb", "a\u{0}", String(repeating: "x", count: 201), String(repeating: "😀", count: 50)] {
            #expect(code { try fixture.store.updateRefs([RefChange(name, new: c[0])], operation: "x") } == .invalid)
            #expect(code { _ = try fixture.store.ref(name) } == .invalid)
        }
    }

    /// Swift takes two spellings of one character for equal; names of refs are bytes.
    @Test func spellingsOfOneCharacterAreTwoNames() throws {
        let fixture = try Fixture()
        let store = fixture.store
        let c = try commits(store, 2)
        let composed = "Caf\u{E9}"
        let decomposed = "Cafe\u{301}"
        try store.updateRefs([RefChange(composed, new: c[0]), RefChange(decomposed, new: c[1])], operation: "both")
        #expect(try store.ref(composed) == c[0])
        #expect(try store.ref(decomposed) == c[1])
        try store.updateRefs([RefChange(composed, new: nil)], operation: "one")
        try store.updateRefs([RefChange(decomposed, new: nil)], operation: "the other")
        try store.revert(through: 2...3)
        #expect(try store.ref(composed) == c[0])
        #expect(try store.ref(decomposed) == c[1])
        // A later change of the one is not in the way of the other.
        let removal = try store.updateRefs([RefChange(composed, new: nil)], operation: "one again")
        try store.updateRefs([RefChange(decomposed, new: c[0])], operation: "later")
        try store.revert(removal.number)
        #expect(try store.ref(composed) == c[0])
    }

    @Test func partsOfALongAncestorAreResurrected() throws {
        let fixture = try Fixture()
        let store = fixture.store
        var random = Random(18)
        // Its parts are in other packs than the list of them.
        let message = random.bytes(200_000).map { String($0, radix: 16) }.joined()
        let options = IngestOptions(compression: .none, packSize: 65_536)
        let ingest = try store.beginIngest(label: "long", options: options)
        let ancestor = try ingest.putCommit(Commit(kind: "long", message: message, time: Timestamp(seconds: 1)))
        let commit = try ingest.putCommit(Commit(kind: "t", parents: [ancestor], time: Timestamp(seconds: 2)))
        try ingest.publish([RefChange("main", new: commit)], operation: "main")
        #expect(try store.files("packs").count > 3)
        try store.updateRefs([RefChange("main", new: nil)], operation: "remove")
        let lease = try store.lease(label: "keeps the trash")
        let eager = CollectOptions(keepOperations: 0, maximumUnused: 0)
        #expect(try store.collect(eager).waitingPacks.packs > 3)
        try fixture.reopened().updateRefs([RefChange("main", new: commit)], operation: "again")
        // What the ref needs is not in the trash.
        for path in try store.files("trash") { unlink(path) }
        #expect(try fixture.reopened().commit(ancestor).message == message)
        withExtendedLifetime(lease) {}
    }

    @Test func concurrentWritersLoseNothing() async throws {
        let fixture = try Fixture()
        let path = fixture.store.path
        let counters = 4
        let rounds = 12
        let c = try commits(fixture.store, counters * rounds + 1)
        try fixture.store.updateRefs([RefChange("counter", new: c[0])], operation: "start")
        // Each takes the place of the value it saw; a loser tries again.
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<counters {
                group.addTask {
                    let store = try ContentStore.open(at: path, createIfMissing: false)
                    for round in 0..<rounds {
                        while true {
                            let seen = try store.ref("counter")
                            do {
                                try store.updateRefs(
                                    [RefChange("counter", expected: .some(seen), new: c[1 + writer * rounds + round])],
                                    operation: "\(writer)")
                                break
                            } catch let error as StoreError where error.code == .conflict {
                                continue
                            }
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        let operations = try fixture.store.operations()
        #expect(operations.count == counters * rounds + 1)
        // The log is one chain.
        for (before, after) in zip(operations, operations.dropFirst()) {
            #expect(after.changes[0].old == before.changes[0].new)
        }
    }

    @Test func concurrentIngestsAndReaders() async throws {
        let fixture = try Fixture()
        let path = fixture.store.path
        let reader = fixture.store
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<3 {
                group.addTask {
                    let store = try ContentStore.open(at: path, createIfMissing: false)
                    for round in 0..<6 {
                        // Writers share half of what they write.
                        var own = Random(UInt64(1000 + writer * 100 + round))
                        var common = Random(UInt64(round))
                        let bytes = common.bytes(150_000) + own.bytes(150_000)
                        let root = try store.add(
                            "w\(writer)/\(round)", bytes, options: IngestOptions(packSize: 100_000))
                        // A reader that has been open since before finds it.
                        #expect(try reader.bytes(root) == bytes)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try reader.refs().count == 18)
        #expect(try fixture.store.verify(level: .deep).damage.isEmpty)
        // Merging keeps indexes few.
        #expect(try fixture.store.statistics().indexes <= 6)
    }

    @Test func leasesLiveAsLongAsTheirHolder() throws {
        let fixture = try Fixture()
        let ingest = try fixture.store.beginIngest(label: "import of something")
        #expect(try fixture.reopened().leases().map(\.label) == ["import of something"])
        // Another ingest leaves the living alone.
        let other = try fixture.reopened().beginIngest(label: "other")
        other.close()
        #expect(try fixture.store.leases().count == 1)
        #expect(try fixture.store.leases()[0].process == getpid())
        _ = try ingest.putBlob([1, 2])
        ingest.close()
        #expect(try fixture.store.leases().isEmpty)
        do {
            let lease = try fixture.store.lease(label: "reader", pins: [Digest(of: [1])])
            #expect(try fixture.store.leases().map(\.pins) == [[Digest(of: [1])]])
            withExtendedLifetime(lease) {}
        }
        #expect(try fixture.store.leases().isEmpty)
    }

    @Test func anAbandonedIngestLeavesNothing() throws {
        let fixture = try Fixture()
        var random = Random(90)
        do {
            let ingest = try fixture.store.beginIngest(label: "abandoned", options: IngestOptions(packSize: 65_536))
            let editor = try ingest.edit(nil, kind: .disk, length: 1 << 20)
            try editor.write(random.bytes(1 << 20), at: 0)
            _ = try editor.finish()
        }
        for directory in ["packs", "indexes", "tmp", "leases"] {
            #expect(try fixture.store.files(directory).isEmpty)
        }
    }
}
