import ContentStore
import Testing

/// Undo by the operation log.
@Suite struct RevertTests {
    private func commits(_ store: ContentStore, _ count: Int) throws -> [Digest] {
        let ingest = try store.beginIngest(label: "commits")
        let digests = try (0..<count).map {
            try ingest.putCommit(Commit(kind: "c", message: String($0), time: Timestamp(seconds: 0)))
        }
        try ingest.finish()
        return digests
    }

    private func failure(_ body: () throws -> Void) -> StoreError? {
        do { try body() } catch { return error as? StoreError }
        return nil
    }

    @Test func undoAndRedo() throws {
        let fixture = try Fixture()
        let store = fixture.store
        let c = try commits(store, 3)
        try store.updateRefs([RefChange("a", new: c[0]), RefChange("b", new: c[1])], operation: "make")
        try store.updateRefs([RefChange("a", new: c[2]), RefChange("b", new: nil)], operation: "change")
        let undo = try store.revert()
        #expect(undo.operation == "undo 2: change" && undo.number == 3)
        #expect(try store.ref("a") == c[0] && store.ref("b") == c[1])
        let redo = try store.revert(undo.number)
        #expect(redo.operation == "undo 3: undo 2: change")
        #expect(try store.ref("a") == c[2] && store.ref("b") == nil)
        // The first operation made refs: undoing it removes them, once what came after is undone.
        let error = failure { try store.revert(1) }
        #expect(error?.code == .conflict && error?.message.contains("operation 4 (undo 3") == true)
        try store.revert()
        try store.revert(1, operation: "gone")
        #expect(try store.refs().isEmpty)
        #expect(try store.operations().last?.operation == "gone")
        #expect(try store.verify(level: .deep).damage.isEmpty)
    }

    @Test func severalAtOnce() throws {
        let fixture = try Fixture()
        let store = fixture.store
        let c = try commits(store, 3)
        try store.updateRefs([RefChange("a", new: c[0])], operation: "1")
        try store.updateRefs([RefChange("a", new: c[1])], operation: "2")
        try store.updateRefs([RefChange("b", new: c[1])], operation: "3")
        try store.updateRefs([RefChange("a", new: c[2])], operation: "4")
        let undo = try store.revert(through: 2...4)
        #expect(undo.operation == "undo 2 to 4" && undo.changes.count == 2)
        #expect(try store.ref("a") == c[0] && store.ref("b") == nil)
        try store.revert()
        #expect(try store.ref("a") == c[2] && store.ref("b") == c[1])
        #expect(failure { try store.revert(through: 2...3) }?.code == .conflict)
        #expect(try store.ref("b") == c[1])
    }

    @Test func whatCannotBeUndone() throws {
        let fixture = try Fixture()
        let store = fixture.store
        #expect(failure { try store.revert() }?.code == .notFound)
        let c = try commits(store, 2)
        try store.updateRefs([RefChange("a", new: c[0])], operation: "1")
        #expect(failure { try store.revert(7) }?.code == .notFound)
        #expect(failure { try store.revert(through: 1...7) }?.code == .notFound)
        try store.updateRefs([RefChange("a", new: c[0])], operation: "nothing")
        #expect(failure { try store.revert() }?.code == .invalid)
        // Undone twice is a conflict, not a wonder.
        try store.updateRefs([RefChange("a", new: c[1])], operation: "3")
        try store.revert(3)
        #expect(failure { try store.revert(3) }?.code == .conflict)
        // Somebody makes the ref again that the undo would make.
        try store.updateRefs([RefChange("a", new: nil)], operation: "remove")
        try store.updateRefs([RefChange("a", new: c[1])], operation: "make again")
        let error = failure { try store.revert(5) }
        #expect(error?.code == .conflict && error?.message.contains("operation 6 (make again)") == true)
    }

    @Test func undoBringsBackWhatARemovalLeft() throws {
        let fixture = try Fixture()
        let store = fixture.store
        var random = Random(1)
        let bytes = random.bytes(300_000)
        let root = try store.add("a", bytes)
        try store.updateRefs([RefChange("a", new: nil)], operation: "remove")
        for number in 0..<98 {
            try store.updateRefs(
                [RefChange("b", new: number % 2 == 0 ? try store.addCommit(number) : nil)], operation: "x")
        }
        _ = try store.collect()
        try store.revert(2)
        #expect(try fixture.reopened().bytes(root) == bytes)
        try store.updateRefs([RefChange("a", new: nil)], operation: "remove again")
        _ = try store.collect(CollectOptions(keepOperations: 0))
        // Too late.
        #expect(failure { try store.revert() }?.code == .notFound)
        #expect(try store.ref("a") == nil)
    }
}

extension ContentStore {
    /// Stores a commit without content.
    fileprivate func addCommit(_ number: Int) throws -> Digest {
        let ingest = try beginIngest(label: "commit")
        let digest = try ingest.putCommit(Commit(kind: "c", message: String(number), time: Timestamp(seconds: 0)))
        try ingest.finish()
        ingest.close()
        return digest
    }
}
