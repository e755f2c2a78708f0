import ContentStore
import Foundation
import Lineage
import Testing

extension TemporaryCatalogue {
    /// A VM with a snapshot `a` that has the tags `base` and `ready` and a note; returns the snapshot.
    func createTaggedVM(_ name: String) throws -> Digest {
        let head = try createVM(name)
        let snapshot = try addSnapshot("a", of: name, after: head)
        let tags = [try Name("ready"), try Name("base")]
        try catalogue.annotate(Reference(parsing: "\(name):a"), operation: "annotate") {
            $0.tag(tags)
            $0.note = "boots in 3 s"
        }
        return snapshot
    }

    func addExperiment(_ name: String, of snapshot: Digest, called source: String) throws {
        let ingest = try catalogue.store.beginIngest(label: "test")
        var commit = Commit(kind: "experiment", parents: [snapshot], time: Timestamp(seconds: 50))
        commit.attributes[Attribute.source] = source
        try catalogue.addExperiment(Name(name), commit: commit, ingest: ingest, operation: "explore")
    }

    func annotation(_ reference: String) throws -> Annotation {
        try catalogue.snapshot(Reference(parsing: reference)).annotation
    }
}

@Suite struct AnnotationTests {
    @Test func annotatingLeavesTheCommitAsItIs() throws {
        let place = try TemporaryCatalogue()
        let snapshot = try place.createTaggedVM("Mini")
        let found = try place.catalogue.snapshot(Reference(parsing: "Mini:a"))
        #expect(found.digest == snapshot)
        #expect(found.annotation == Annotation(tags: [try Name("base"), try Name("ready")], note: "boots in 3 s"))
        #expect(try place.catalogue.vm(Name("Mini")).snapshots.map(\.annotation) == [found.annotation])
        #expect(try place.catalogue.vm(Name("Mini")).snapshots.count == 1)
    }

    @Test func tagsOfTheCommitAreThereUntilSomebodySaysOtherwise() throws {
        let place = try TemporaryCatalogue()
        let head = try place.createVM("Mini")
        let ingest = try place.catalogue.store.beginIngest(label: "test")
        var commit = try place.catalogue.store.commit(head).successor(.snapshot, of: head, message: "s")
        commit.annotation.tag([try Name("first")])
        try place.catalogue.addSnapshot(Name("s"), of: Name("Mini"), commit: commit, ingest: ingest, operation: "s")
        let first = try Name("first")
        #expect(try place.annotation("Mini:s").tags == [first])
        try place.catalogue.annotate(Reference(parsing: "Mini:s"), operation: "untag") { $0.untag([first]) }
        #expect(try place.annotation("Mini:s").isEmpty)
    }

    @Test func sayingWhatIsSaidAlreadyIsNoOperation() throws {
        let place = try TemporaryCatalogue()
        _ = try place.createTaggedVM("Mini")
        let count = try place.catalogue.store.operations().count
        let ready = try Name("ready")
        try place.catalogue.annotate(Reference(parsing: "Mini:a"), operation: "again") { $0.tag([ready]) }
        #expect(try place.catalogue.store.operations().count == count)
    }

    @Test func aCloneTakesThemAlongAndGoesOnAlone() throws {
        let place = try TemporaryCatalogue()
        _ = try place.createTaggedVM("Mini")
        try place.catalogue.clone(Name("Mini"), as: Name("Copy"))
        #expect(try place.annotation("Copy:a") == place.annotation("Mini:a"))
        try place.catalogue.annotate(Reference(parsing: "Copy:a"), operation: "note") { $0.note = "mine" }
        #expect(try place.annotation("Mini:a").note == "boots in 3 s")
        #expect(try place.annotation("Copy:a").note == "mine")
    }

    @Test func aNoteThatIsAboutAnotherSnapshotIsIgnored() throws {
        let place = try TemporaryCatalogue()
        let snapshot = try place.createTaggedVM("Mini")
        let note = try #require(try place.catalogue.store.ref("vms/Mini/notes/a"))
        try place.catalogue.removeSnapshot(Reference(parsing: "Mini:a"))
        #expect(try place.catalogue.store.ref("vms/Mini/notes/a") == nil)
        // As if somebody had left it.
        try place.catalogue.store.updateRefs([RefChange("vms/Mini/notes/a", new: note)], operation: "leave")
        let head = try place.catalogue.vm(Name("Mini")).head.digest
        let other = try place.addSnapshot("a", of: "Mini", after: head, time: 77)
        #expect(other != snapshot)
        #expect(try place.annotation("Mini:a").isEmpty)
        try place.catalogue.annotate(Reference(parsing: "Mini:a"), operation: "note") { $0.note = "new" }
        #expect(try place.annotation("Mini:a").note == "new")
        // In the way of a rename it is nothing either.
        try place.catalogue.store.updateRefs([RefChange("vms/Mini/notes/b", new: note)], operation: "leave")
        try place.catalogue.rename(Reference(parsing: "Mini:a"), to: Name("b"))
        #expect(try place.annotation("Mini:b").note == "new")
    }

    @Test func badTagsOfACommitAreLeftOut() {
        var commit = Commit(kind: "snapshot")
        commit.attributes[Attribute.tags] = "b,,a b,../x,a,b"
        #expect(commit.annotation.tags.map(\.text) == ["a", "b"])
    }
}

@Suite struct RenameTests {
    @Test func aVMKeepsItsCommitsSnapshotsAndNotes() throws {
        let place = try TemporaryCatalogue()
        let snapshot = try place.createTaggedVM("Mini")
        let before = try place.catalogue.vm(Name("Mini"))
        let operations = try place.catalogue.store.operations().count
        try place.catalogue.rename(Name("Mini"), to: Name("Maxi"))
        let after = try place.catalogue.vm(Name("Maxi"))
        #expect(after.head.digest == before.head.digest)
        #expect(after.snapshots.map(\.digest) == [snapshot])
        #expect(after.snapshots.map(\.annotation) == before.snapshots.map(\.annotation))
        #expect(try place.catalogue.vms().map(\.name.text) == ["Maxi"])
        #expect(try place.catalogue.store.refs(prefix: "vms/Mini/").isEmpty)
        #expect(try place.catalogue.store.operations().count == operations + 1)
    }

    @Test func aNameThatIsTakenOrMissingIsRefused() throws {
        let place = try TemporaryCatalogue()
        _ = try place.createTaggedVM("Mini")
        try place.createVM("Other", disk: "other")
        let taken = #expect(throws: LineageError.self) {
            try place.catalogue.rename(Name("Mini"), to: Name("Other"))
        }
        #expect(taken?.code == .exists)
        let missing = #expect(throws: LineageError.self) { try place.catalogue.rename(Name("No"), to: Name("New")) }
        #expect(missing?.code == .notFound)
        // A name that another one begins with is another name.
        try place.createVM("Mini2", disk: "two")
        try place.catalogue.rename(Name("Mini"), to: Name("Maxi"))
        #expect(try place.catalogue.vms().map(\.name.text) == ["Maxi", "Mini2", "Other"])
    }

    @Test func experimentsFindTheirSnapshotUnderItsNewName() throws {
        let place = try TemporaryCatalogue()
        let snapshot = try place.createTaggedVM("Mini")
        try place.addExperiment("First", of: snapshot, called: "Mini:a")
        let catalogue = place.catalogue
        func explored() throws -> String? {
            try catalogue.snapshot(of: catalogue.experiment(Name("First")), among: catalogue.references())?.description
        }
        #expect(try explored() == "Mini:a")
        try catalogue.clone(Name("Mini"), as: Name("Aaa"))
        #expect(try explored() == "Mini:a")
        try catalogue.rename(Name("Mini"), to: Name("Maxi"))
        try catalogue.removeVM(Name("Aaa"))
        #expect(try explored() == "Maxi:a")
        try catalogue.rename(Reference(parsing: "Maxi:a"), to: Name("b"))
        #expect(try explored() == "Maxi:b")
        try catalogue.removeSnapshot(Reference(parsing: "Maxi:b"))
        #expect(try explored() == nil)
        #expect(try FamilyTree(of: nil, in: catalogue).members[snapshot] != nil)
    }
}
