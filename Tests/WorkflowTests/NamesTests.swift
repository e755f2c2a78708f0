import ContentStore
import Foundation
import Lineage
import Testing
import Workflow

@Suite struct NamesTests {
    @Test func aVMIsCreatedFromFilesAndEmptyDisks() async throws {
        let home = try TemporaryHome()
        let file = home.stemma.home.root + "/disk.raw"
        var bytes = Data(repeating: 0, count: 1 << 20)
        bytes.replaceSubrange(70_000..<70_005, with: Data("hello".utf8))
        try bytes.write(to: URL(fileURLWithPath: file))
        var request = CreateRequest(try Name("New"))
        request.files = [file]
        request.format = "raw"
        request.sizes = [ByteSize(bytes: 20 << 30), ByteSize(bytes: 512)]
        request.machine = "q35"
        request.memoryMiB = 64
        request.remarks = Remarks(message: "for tests")
        let details = try await home.stemma.createVM(request)
        #expect(details.disks.map(\.id) == ["vda", "vdb", "vdc"])
        #expect(details.disks.map(\.slot) == [4, 5, 6])
        #expect(details.disks.map(\.sizeBytes) == [1 << 20, 20 << 30, 512])
        #expect(details.disks.map { $0.digest == nil } == [false, true, true])
        #expect(details.machine.machine.hasPrefix("pc-q35-"))
        #expect(details.message == "for tests" && details.source == "disk.raw")
        let head = try home.stemma.catalogue.resolve(Reference(vm: Name("New")))
        let root = try #require(head.commit.disks["vda"])
        #expect(try home.stemma.store.read(root, at: 70_000, count: 5) == Array("hello".utf8))
        #expect(try home.stemma.store.verify(level: .deep).isSound)
    }

    @Test func whatIsNoDiskIsRefusedAndLeavesNoVM() async throws {
        let home = try TemporaryHome()
        let odd = home.stemma.home.root + "/empty.raw"
        try Data().write(to: URL(fileURLWithPath: odd))
        for (files, format, sizes) in [
            ([odd], "raw", []), ([odd + ".gone"], "raw", []), ([odd], "tar", []),
            ([], "raw", [ByteSize(bytes: 100)]), ([], "raw", [ByteSize(bytes: 0)]),
        ] as [([String], String, [ByteSize])] {
            var request = CreateRequest(try Name("New"))
            request.files = files
            request.format = format
            request.sizes = sizes
            await #expect(throws: (any Error).self) { try await home.stemma.createVM(request) }
        }
        #expect(try home.stemma.listVMs().isEmpty)
        #expect(try home.stemma.listOperations().isEmpty)
    }

    @Test func disksComeAndGoAndSnapshotsKeepTheirs() async throws {
        let home = try TemporaryHome()
        try home.createVM("Mini")
        let added = try await home.stemma.addDisk(.empty(ByteSize(bytes: 1 << 30)), to: Name("Mini"))
        #expect(added.id == "vda" && added.slot == 5)
        #expect(try home.stemma.listDisks(of: Name("Mini")).map(\.id) == ["disk0", "vda"])
        try home.stemma.removeDisk("disk0", of: Name("Mini"))
        #expect(try home.stemma.listDisks(of: Name("Mini")).map(\.id) == ["vda"])
        let error = #expect(throws: LineageError.self) { try home.stemma.removeDisk("disk0", of: Name("Mini")) }
        #expect(error?.code == .notFound)
        _ = try home.stemma.undo(nil)
        #expect(try home.stemma.listDisks(of: Name("Mini")).map(\.id) == ["disk0", "vda"])
        #expect(try home.stemma.log(LogRequest(vm: Name("Mini"))).entries.map(\.kind) == ["configure", "image"])
    }

    @Test func everyChangeSaysHowToUndoIt() async throws {
        let home = try TemporaryHome()
        try home.createVM("Mini")
        let clone = try home.stemma.cloneVM(Name("Mini"), as: Name("Copy"))
        let rename = try await home.stemma.renameVM(Name("Copy"), to: Name("Other"))
        let removal = try await home.stemma.removeVM(Name("Other"))
        #expect([clone, rename, removal].map(\.action) == ["cloned", "renamed", "removed"])
        for report in [removal, rename, clone] {
            let planned = try home.stemma.undo(report.operation, isDryRun: true)
            #expect(planned.by == nil && planned.undone == report.operation)
            let done = try home.stemma.undo(report.operation)
            #expect(done.by != nil && done.changes.map(\.ref) == planned.changes.map(\.ref))
        }
        #expect(try home.stemma.listVMs().map(\.name) == ["Mini"])
        #expect(try home.stemma.listOperations(limit: 1).map(\.operation) == ["undo 2 (vm clone Mini Copy)"])
        #expect(try home.stemma.listOperations().count == 7)
    }

    @Test func tagsAndNotesAreListed() throws {
        let home = try TemporaryHome()
        try home.createVM("Mini")
        let head = try home.stemma.catalogue.resolve(Reference(vm: Name("Mini")))
        let ingest = try home.stemma.store.beginIngest(label: "test")
        var commit = head.commit.successor(.snapshot, of: head.digest, message: "saved")
        Remarks(message: "a message", tags: [try Name("first")]).apply(to: &commit)
        try home.stemma.catalogue.addSnapshot(
            Name("s"), of: Name("Mini"), commit: commit, ingest: ingest, operation: "test")
        let snapshot = try Reference(parsing: "Mini:s")
        _ = try home.stemma.tag(snapshot, with: [Name("second")])
        let noted = try home.stemma.note(snapshot, "line one\nline two")
        #expect(noted.tags == ["first", "second"])
        let listing = try #require(try home.stemma.listSnapshots(of: Name("Mini"), tags: [Name("second")]).first)
        #expect(listing.tags == ["first", "second"] && listing.message == "a message")
        #expect(listing.columns.suffix(2) == ["first,second", "line one …"])
        #expect(try home.stemma.listSnapshots(of: Name("Mini"), tags: [Name("third")]).isEmpty)
        #expect(throws: LineageError.self) { try home.stemma.untag(snapshot, from: [Name("third")]) }
        #expect(try home.stemma.untag(snapshot, from: []).tags.isEmpty)
        #expect(try home.stemma.note(snapshot, "").note.isEmpty)
        var request = LogRequest()
        request.filter.text = "A MESSAGE"
        #expect(try home.stemma.log(request).entries.map(\.names) == [["Mini:s"]])
    }

    @Test func namesForTheShellAreReadFromAStoreThatIsThere() throws {
        let nowhere = NSTemporaryDirectory() + "none-" + UUID().uuidString
        #expect(CompletionNames(home: Home(root: nowhere)) == nil)
        #expect(!FileManager.default.fileExists(atPath: nowhere))
        let home = try TemporaryHome()
        try home.createVM("Mini")
        try home.createVM("Debian")
        let names = try #require(CompletionNames(home: home.stemma.home))
        #expect(names.vms() == ["Debian", "Mini"])
        #expect(names.references() == ["Debian", "Mini"])
        #expect(names.experiments().isEmpty && names.tags().isEmpty)
    }
}
