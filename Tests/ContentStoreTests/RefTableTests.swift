import ContentStore
import Glibc
import Testing

/// Groups of refs that are copied and removed as one.
@Suite struct RefTableTests {
    /// A store with the refs `vms/A/head` and `vms/A/snapshots/0…`, each of a commit of its own.
    private func scene(_ count: Int) throws -> (Fixture, [Digest]) {
        let fixture = try Fixture()
        let ingest = try fixture.store.beginIngest(label: "commits")
        let commits = try (0...count).map {
            try ingest.putCommit(Commit(kind: "c", message: String($0), time: Timestamp(seconds: 0)))
        }
        try ingest.finish()
        try fixture.store.updateRefs([RefChange("vms/A/head", new: commits[count])], operation: "make A")
        // One by one, as snapshots are made.
        for number in 0..<count {
            try fixture.store.updateRefs(
                [RefChange("vms/A/snapshots/\(number)", expected: .some(nil), new: commits[number])],
                operation: "snapshot \(number)")
        }
        return (fixture, commits)
    }

    /// All refs of a VM, without the beginning of their names.
    private func view(_ store: ContentStore, _ vm: String) throws -> [String: Digest] {
        let prefix = "vms/\(vm)/"
        let refs = try store.refs(prefix: prefix)
        for ref in refs { #expect(try store.ref(ref.name) == ref.digest) }
        return Dictionary(uniqueKeysWithValues: refs.map { (String($0.name.dropFirst(prefix.count)), $0.digest) })
    }

    private func clone(_ store: ContentStore, _ from: String, _ to: String, head: Digest) throws {
        try store.updateRefs(
            [RefChange("vms/\(to)/head", expected: .some(nil), new: head)],
            groups: [.copy(from: "vms/\(from)/", to: "vms/\(to)/")], operation: "clone \(from) \(to)")
    }

    private func rename(_ store: ContentStore, _ from: String, _ to: String) throws {
        try store.updateRefs(
            [], groups: [.copy(from: "vms/\(from)/", to: "vms/\(to)/"), .remove("vms/\(from)/")],
            operation: "rename \(from) \(to)")
    }

    /// One change after the other, a group never has more than some own files, and its names are all there.
    @Test func manyChangesOfOneGroupMakeATable() throws {
        let (fixture, commits) = try scene(200)
        let store = fixture.store
        func files() throws -> [String] {
            try SystemFileSystem().entries(of: "\(store.path)/refs").filter { $0.hasPrefix("vms%2FA%2F") }
        }
        #expect(try files().count <= 66)
        #expect(try view(store, "A").count == 201)
        #expect(try view(fixture.reopened(), "A") == view(store, "A"))
        // Changes are undone across the making of a table.
        let last = try #require(store.operations().last?.number)
        try store.revert(through: last - 149...last)
        #expect(try view(store, "A").count == 51)
        for number in 0..<50 { #expect(try store.ref("vms/A/snapshots/\(number)") == commits[number]) }
    }

    /// With a damaged ref in it, a large group is still changed, ref by ref.
    @Test func aDamagedRefKeepsNobodyFromChangingOthers() throws {
        let (fixture, commits) = try scene(60)
        let store = fixture.store
        let damaged = "\(store.path)/refs/vms%2FA%2Fsnapshots%2F7"
        try overwrite(damaged, [1, 2, 3])
        for number in 100..<110 {
            try store.updateRefs(
                [RefChange("vms/A/snapshots/\(number)", expected: .some(nil), new: commits[0])], operation: "more")
        }
        for number in 100..<110 { #expect(try store.ref("vms/A/snapshots/\(number)") == commits[0]) }
        #expect(throws: StoreError.self) { try store.ref("vms/A/snapshots/7") }
        // Whoever does not care what it was replaces it.
        try store.updateRefs([RefChange("vms/A/snapshots/7", new: commits[7])], operation: "heal")
        #expect(try store.ref("vms/A/snapshots/7") == commits[7])
    }

    @Test(arguments: [3, 100]) func aCopyHasAllNames(count: Int) throws {
        let (fixture, commits) = try scene(count)
        let store = fixture.store
        let before = try view(store, "A")
        #expect(before.count == count + 1)
        try clone(store, "A", "B", head: commits[0])
        var expected = before
        expected["head"] = commits[0]
        #expect(try view(store, "A") == before)
        #expect(try view(store, "B") == expected)
        // The other one knows nothing of what becomes of one.
        try store.updateRefs(
            [
                RefChange("vms/B/snapshots/1", expected: .some(commits[1]), new: nil),
                RefChange("vms/B/snapshots/2", expected: .some(commits[2]), new: commits[0]),
                RefChange("vms/B/snapshots/new", expected: .some(nil), new: commits[2]),
            ], operation: "change B")
        expected["snapshots/1"] = nil
        expected["snapshots/2"] = commits[0]
        expected["snapshots/new"] = commits[2]
        #expect(try view(store, "A") == before)
        #expect(try view(fixture.reopened(), "B") == expected)
        // A copy of the copy, with what is hidden in it.
        try clone(store, "B", "C", head: commits[1])
        expected["head"] = commits[1]
        #expect(try view(store, "C") == expected)
        try rename(store, "C", "D")
        #expect(try view(store, "C").isEmpty)
        #expect(try view(store, "D") == expected)
        try store.updateRefs([], groups: [.remove("vms/A/")], operation: "remove A")
        #expect(try view(store, "A").isEmpty)
        #expect(try view(store, "D") == expected)
        // Everything is undone in turn, and what is left is sound.
        let last = try #require(store.operations().last?.number)
        try store.revert(through: last - 1...last)
        #expect(try view(store, "A") == before)
        #expect(try view(store, "C") == expected)
        #expect(try view(store, "D").isEmpty)
        let report = try store.verify(level: .deep)
        #expect(report.damage.isEmpty)
    }

    @Test func copiesOfManyNamesCostTheSame() throws {
        let (fixture, commits) = try scene(50)
        let store = fixture.store
        #expect(try String(decoding: contents(of: "\(store.path)/format"), as: UTF8.self).hasSuffix("version 1\n"))
        try clone(store, "A", "B", head: commits[0])
        #expect(try String(decoding: contents(of: "\(store.path)/format"), as: UTF8.self).hasSuffix("version 2\n"))
        // The origin has a table now, and the copy the same one besides its head.
        #expect(try store.files("refs").count == 3)
        #expect(try store.files("tables").count == 1)
        let system = FaultyFileSystem()
        let counting = try ContentStore.open(at: store.path, createIfMissing: false, fileSystem: system)
        let calls = system.calls
        try clone(counting, "A", "C", head: commits[0])
        #expect(system.calls - calls < 120)
        #expect(try store.files("refs").count == 5)
        #expect(try store.files("tables").count == 1)
    }

    @Test func everyChangeIsUndone() throws {
        let (fixture, commits) = try scene(40)
        let store = fixture.store
        let before = try view(store, "A")
        try clone(store, "A", "B", head: commits[0])
        let clone = try view(store, "B")
        #expect(try #require(store.operations().last).changes.count == 41)
        try store.revert()
        #expect(try view(store, "B").isEmpty)
        try store.revert()
        #expect(try view(store, "B") == clone)
        try rename(store, "B", "C")
        try store.revert()
        #expect(try view(store, "B") == clone)
        #expect(try view(store, "C").isEmpty)
        try store.updateRefs([], groups: [.remove("vms/B/")], operation: "remove")
        try store.revert()
        #expect(try view(store, "B") == clone)
        try store.updateRefs([RefChange("vms/B/snapshots/3", new: nil)], operation: "remove one")
        try store.revert()
        #expect(try view(store, "B") == clone)
        #expect(try view(store, "A") == before)
        // A name that was changed since is in the way.
        try store.updateRefs([], groups: [.copy(from: "vms/A/", to: "vms/D/")], operation: "copy")
        let number = try #require(store.operations().last?.number)
        try store.updateRefs([RefChange("vms/D/snapshots/3", new: commits[9])], operation: "change")
        #expect(throws: StoreError.self) { try store.revert(number) }
        #expect(try view(store, "D").count == 41)
        #expect(try store.verify(level: .deep).damage.isEmpty)
    }

    @Test func tablesOfNobodyAreCollected() throws {
        let (fixture, commits) = try scene(30)
        let store = fixture.store
        let before = try view(store, "A")
        try clone(store, "A", "B", head: commits[0])
        try store.updateRefs([RefChange("vms/A/snapshots/0", new: nil)], operation: "remove one")
        let report = try store.collect(CollectOptions(keepOperations: 1))
        #expect(report.refs == 61)
        // Both VMs still have it.
        #expect(try store.files("tables").count == 1)
        try store.updateRefs([], groups: [.remove("vms/A/"), .remove("vms/B/")], operation: "remove")
        _ = try store.collect(CollectOptions(keepOperations: 1))
        #expect(try store.files("tables").count == 1)
        try store.revert()
        #expect(try view(store, "A").count == before.count - 1)
        try store.updateRefs([], groups: [.remove("vms/A/"), .remove("vms/B/")], operation: "remove")
        try store.updateRefs([RefChange("x", new: nil)], operation: "nothing")
        _ = try store.collect(CollectOptions(keepOperations: 1))
        #expect(try store.files("tables").isEmpty)
        // The log still tells of it, and it cannot be undone.
        let later = try fixture.reopened()
        let old = try #require(later.operations().first { $0.operation == "clone A B" })
        #expect(old.changes.contains { $0.isTable && $0.ref == "vms/B/" })
        #expect(throws: StoreError.self) { try later.revert(old.number) }
    }

    @Test func aDamagedTableIsFound() throws {
        let (fixture, commits) = try scene(30)
        try clone(fixture.store, "A", "B", head: commits[0])
        let path = try #require(fixture.store.files("tables").first)
        var bytes = try contents(of: path)
        bytes[100] ^= 1
        try overwrite(path, bytes)
        let store = try fixture.reopened()
        #expect(throws: StoreError.self) { try store.refs() }
        #expect(throws: StoreError.self) { try store.ref("vms/A/snapshots/3") }
        // What has a file of its own is read.
        #expect(try store.ref("vms/B/head") == commits[0])
        let report = try store.verify(level: .structure)
        #expect(report.damage.map(\.kind) == [.ref, .ref])
        #expect(report.damage.map(\.ref) == ["vms/A/", "vms/B/"])
        #expect(throws: StoreError.self) { try store.collect() }
        unlink(path)
        #expect(throws: StoreError.self) { try fixture.reopened().refs() }
    }

    /// Whatever call is the last one, and whatever of it a power cut takes: the origin keeps all its names, and each name of the copy is
    /// the one it is to be or not there.
    @Test(arguments: [false, true]) func aCopySurvivesCrashes(isRename: Bool) throws {
        let (fixture, commits) = try scene(20)
        try clone(fixture.store, "A", "B", head: commits[0])
        try fixture.store.updateRefs(
            [RefChange("vms/B/snapshots/1", new: nil), RefChange("vms/B/snapshots/2", new: commits[5])],
            operation: "hide")
        for number in 0..<10 {
            try fixture.store.updateRefs(
                [RefChange("vms/B/snapshots/x\(number)", new: commits[number])], operation: "more")
        }
        let before = try view(fixture.store, "B")
        let graves = "\(fixture.directory.path)/graves"
        mkdir(graves, 0o700)
        func change(_ path: String, _ system: FaultyFileSystem) throws {
            let store = try ContentStore.open(at: path, createIfMissing: false, fileSystem: system)
            if isRename { try rename(store, "B", "C") } else { try clone(store, "B", "C", head: commits[7]) }
        }
        var random = Random(90)
        var number = 0
        var isDone = false
        while !isDone {
            let path = "\(fixture.directory.path)/copy"
            try copyTree(fixture.store.path, path)
            let system = FaultyFileSystem(.crash(at: number), graveyard: graves)
            isDone = (try? change(path, system)) != nil && system.calls <= number
            system.cutPower(&random)
            for name in try SystemFileSystem().entries(of: graves) { unlink("\(graves)/\(name)") }
            let store = try ContentStore.open(at: path, createIfMissing: false)
            // The next change completes the record.
            try store.updateRefs([RefChange("x", new: nil)], operation: "next")
            let old = try view(store, "B")
            let new = try view(store, "C")
            for (name, digest) in before {
                let found = [old[name], new[name]].compactMap { $0 }
                #expect(!found.isEmpty, "\(name) is lost at call \(number)")
                if name != "head" || isRename {
                    #expect(found.allSatisfy { $0 == digest }, "\(name) at call \(number)")
                }
                if !isRename { #expect(old[name] == digest, "\(name) at call \(number)") }
            }
            #expect(Set(new.keys).isSubset(of: before.keys), "at call \(number)")
            #expect(Set(old.keys).isSubset(of: before.keys), "at call \(number)")
            #expect(try store.verify(level: .structure).damage.isEmpty, "at call \(number)")
            // What the log says was done was done.
            let operation = try store.operations().last {
                $0.operation.hasPrefix("clone B") || $0.operation.hasPrefix("rename B")
            }
            for change in operation?.changes ?? [] where !change.isTable {
                #expect((try store.ref(change.ref) == change.new) == change.applied, "\(change.ref) at call \(number)")
            }
            TemporaryDirectory.remove(path)
            number += 1
        }
        #expect(number > 50)
    }

    private func copyTree(_ from: String, _ to: String) throws {
        guard let entries = try? SystemFileSystem().entries(of: from) else {
            return try overwrite(to, contents(of: from))
        }
        mkdir(to, 0o700)
        for name in entries { try copyTree("\(from)/\(name)", "\(to)/\(name)") }
    }
}
