import ContentStore
import Lineage
import Testing

@Suite struct FamilyTreeTests {
    @Test func theDrawingPutsChildrenUnderTheirParents() throws {
        let place = try TemporaryCatalogue()
        let head = try place.createVM("Mini")
        let prepared = try place.addSnapshot("prepared", of: "Mini", after: head, time: 2)
        try place.addSnapshot("later", of: "Mini", after: prepared, time: 3)
        try place.addSnapshot("booted", of: "Mini", after: head, time: 4)
        try place.createVM("Other", disk: "other")

        let drawing = try FamilyTree(of: Name("Mini"), in: place.catalogue).drawing()
        #expect(
            drawing.map { $0.rails + $0.member.names.joined(separator: ",") } == [
                "● Mini",
                "├─● Mini:prepared",
                "│ ● Mini:later",
                "└─● Mini:booted",
            ])
    }

    @Test func theFamilyHoldsClonesAndTheirDescendants() throws {
        let place = try TemporaryCatalogue()
        try place.createVM("Mini")
        try place.catalogue.clone(Name("Mini"), as: Name("Copy"))
        let copy = try place.catalogue.vm(Name("Copy")).head.digest
        try place.addSnapshot("s", of: "Copy", after: copy)
        let names = try FamilyTree(of: Name("Mini"), in: place.catalogue).drawing().flatMap(\.member.names)
        #expect(names == ["Mini", "Copy", "Copy:s"])
        #expect(try FamilyTree(of: Name("Copy"), in: place.catalogue).members.count == 3)
    }

    @Test func aLongLineageIsDrawnWithoutRecursion() throws {
        let place = try TemporaryCatalogue()
        var parent = try place.createVM("Mini")
        let ingest = try place.catalogue.store.beginIngest(label: "test")
        for generation in 0..<2_000 {
            var commit = Commit(kind: "run", parents: [parent], message: "\(generation)")
            commit.time = Timestamp(seconds: Int64(generation) + 2)
            parent = try ingest.putCommit(commit)
        }
        try ingest.finish()
        try place.addSnapshot("last", of: "Mini", after: parent, time: 9_000)
        let drawing = try FamilyTree(of: nil, in: place.catalogue).drawing()
        #expect(drawing.count == 2_002)
        #expect(drawing.allSatisfy { $0.rails == "● " })
        #expect(drawing.last?.member.names == ["Mini:last"])
    }
}
