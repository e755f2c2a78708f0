import ContentStore
import Foundation
import Lineage
import Testing

/// A catalogue over a store in a temporary directory.
struct TemporaryCatalogue: ~Copyable {
    let path: String
    let catalogue: Catalogue

    init() throws {
        path = NSTemporaryDirectory() + "lineage-" + UUID().uuidString
        catalogue = Catalogue(store: try ContentStore.open(at: path, createIfMissing: true))
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// A VM whose disk starts with `text`.
    @discardableResult
    func createVM(_ name: String, disk text: String = "disk") throws -> Digest {
        let ingest = try catalogue.store.beginIngest(label: "test")
        var commit = Commit(kind: EdgeKind.image.rawValue, time: Timestamp(seconds: 1))
        let editor = try ingest.edit(nil, kind: .disk, length: 1 << 20)
        try editor.write(Array(text.utf8), at: 0)
        commit.disks["disk0"] = try editor.finish()
        commit.machine = try ingest.putBlob(Array("{}".utf8))
        return try catalogue.createVM(Name(name), commit: commit, ingest: ingest, operation: "create \(name)")
    }

    @discardableResult
    func addSnapshot(_ name: String, of vm: String, after parent: Digest, time: Int64 = 2) throws -> Digest {
        let ingest = try catalogue.store.beginIngest(label: "test")
        var commit = try catalogue.store.commit(parent).successor(.snapshot, of: parent, message: name)
        commit.time = Timestamp(seconds: time)
        return try catalogue.addSnapshot(
            Name(name), of: Name(vm), commit: commit, ingest: ingest, operation: "snapshot \(name)")
    }
}

@Suite struct CatalogueTests {
    @Test func aVMIsFoundWithItsSnapshots() throws {
        let place = try TemporaryCatalogue()
        let head = try place.createVM("Mini")
        try place.addSnapshot("b", of: "Mini", after: head)
        try place.addSnapshot("a", of: "Mini", after: head)
        let vms = try place.catalogue.vms()
        #expect(vms.map(\.name.text) == ["Mini"])
        #expect(vms.first?.snapshots.map(\.name.text) == ["a", "b"])
        #expect(vms.first?.head.commit.diskSize == 1 << 20)
    }

    @Test func missingNamesSayWhereToLook() throws {
        let place = try TemporaryCatalogue()
        try place.createVM("Mini")
        let noVM = #expect(throws: LineageError.self) { try place.catalogue.vm(Name("Other")) }
        #expect(noVM?.code == .notFound)
        #expect(noVM?.message.contains("stemma vm list") == true)
        let noSnapshot = #expect(throws: LineageError.self) {
            try place.catalogue.resolve(Reference(parsing: "Mini:gone"))
        }
        #expect(noSnapshot?.message.contains("stemma snapshot list Mini") == true)
    }

    @Test func aTakenNameIsRefusedAndNothingChanges() throws {
        let place = try TemporaryCatalogue()
        let head = try place.createVM("Mini")
        let snapshot = try place.addSnapshot("a", of: "Mini", after: head)
        #expect(throws: LineageError.self) { try place.createVM("Mini", disk: "another") }
        #expect(throws: LineageError.self) { try place.addSnapshot("a", of: "Mini", after: head, time: 9) }
        #expect(try place.catalogue.vm(Name("Mini")).head.digest == head)
        #expect(try place.catalogue.resolve(Reference(parsing: "Mini:a")).digest == snapshot)
    }

    @Test func aCloneSharesDisksAndSnapshotsAndLivesOnItsOwn() throws {
        let place = try TemporaryCatalogue()
        let head = try place.createVM("Mini")
        let snapshot = try place.addSnapshot("a", of: "Mini", after: head)
        try place.catalogue.clone(Name("Mini"), as: Name("Copy"))
        let clone = try place.catalogue.vm(Name("Copy"))
        #expect(clone.head.commit.kind == "clone")
        #expect(clone.head.commit.parents == [head])
        #expect(clone.head.commit.disks == (try place.catalogue.vm(Name("Mini")).head.commit.disks))
        #expect(clone.snapshots.map(\.digest) == [snapshot])

        try place.catalogue.removeVM(Name("Mini"))
        #expect(try place.catalogue.vms().map(\.name.text) == ["Copy"])
        let root = try #require(clone.head.commit.disks["disk0"])
        #expect(try place.catalogue.store.read(root, at: 0, count: 4) == Array("disk".utf8))
        #expect(throws: LineageError.self) { try place.catalogue.clone(Name("Copy"), as: Name("Copy")) }
    }

    @Test func removingASnapshotLeavesTheOthers() throws {
        let place = try TemporaryCatalogue()
        let head = try place.createVM("Mini")
        let first = try place.addSnapshot("a", of: "Mini", after: head)
        try place.addSnapshot("b", of: "Mini", after: first)
        try place.catalogue.removeSnapshot(Reference(parsing: "Mini:a"))
        let vm = try place.catalogue.vm(Name("Mini"))
        #expect(vm.snapshots.map(\.name.text) == ["b"])
        #expect(try place.catalogue.store.commit(first).message == "a")
        #expect(throws: LineageError.self) { try place.catalogue.removeSnapshot(Reference(parsing: "Mini")) }
    }

    @Test func namesTypedIntoAMonitorBecomeFreeNames() throws {
        let place = try TemporaryCatalogue()
        let head = try place.createVM("Mini")
        let vm = try Name("Mini")
        #expect(try place.catalogue.freeSnapshotName("prepared", of: vm).text == "prepared")
        try place.addSnapshot("prepared", of: "Mini", after: head)
        #expect(try place.catalogue.freeSnapshotName("prepared", of: vm).text == "prepared-2")
        #expect(try place.catalogue.freeSnapshotName("a b/c", of: vm).text == "a-b-c")
        #expect(try place.catalogue.freeSnapshotName("", of: vm).text == "snapshot")
        #expect(try place.catalogue.freeSnapshotName("-x", of: vm).text == "snapshot-x")
        #expect(try place.catalogue.freeSnapshotName(String(repeating: "ä", count: 200), of: vm).text.utf8.count <= 64)
    }
}
