import ContentStore
import Lineage
import Testing

@Suite struct LogFilterTests {
    /// Mini → a (kvm, tagged) → b (converted, tcg) → First; Mini → Copy.
    private func family(_ place: borrowing TemporaryCatalogue) throws -> FamilyTree {
        let head = try place.createVM("Mini")
        let a = try place.addSnapshot("a", of: "Mini", after: head, time: 10)
        let tag = try Name("base")
        try place.catalogue.annotate(Reference(parsing: "Mini:a"), operation: "tag") {
            $0.tag([tag])
            $0.note = "The Kernel is up"
        }
        let ingest = try place.catalogue.store.beginIngest(label: "test")
        var commit = try place.catalogue.store.commit(a).successor(.convert, of: a, message: "Converted")
        commit.time = Timestamp(seconds: 20)
        commit.attributes[Attribute.accelerator] = "tcg"
        let b = try place.catalogue.addSnapshot(
            Name("b"), of: Name("Mini"), commit: commit, ingest: ingest, operation: "convert")
        try place.addExperiment("First", of: b, called: "Mini:b")
        return try FamilyTree(of: nil, in: place.catalogue)
    }

    private func names(_ tree: FamilyTree) -> [String] { tree.newestFirst.flatMap(\.names) }

    @Test func eachConditionIsOneMore() throws {
        let place = try TemporaryCatalogue()
        let tree = try family(place)
        #expect(names(tree) == ["First", "Mini:b", "Mini:a", "Mini"])
        func filtered(_ change: (inout LogFilter) throws -> Void) rethrows -> [String] {
            var filter = LogFilter()
            try change(&filter)
            return names(tree.filtered(filter))
        }
        #expect(filtered { _ in } == ["First", "Mini:b", "Mini:a", "Mini"])
        #expect(filtered { $0.kinds = [.snapshot, .image] } == ["Mini:a", "Mini"])
        #expect(try filtered { $0.tags = [try Name("base")] } == ["Mini:a"])
        #expect(try filtered { $0.tags = [try Name("base"), try Name("other")] } == [])
        #expect(filtered { $0.accelerator = "tcg" } == ["Mini:b"])
        #expect(filtered { $0.text = "kernel IS" } == ["Mini:a"])
        #expect(filtered { $0.text = "converted" } == ["Mini:b"])
        #expect(filtered { $0.since = Timestamp(seconds: 10) } == ["First", "Mini:b", "Mini:a"])
        #expect(filtered { $0.until = Timestamp(seconds: 20) } == ["Mini:a", "Mini"])
        #expect(
            filtered {
                $0.since = Timestamp(seconds: 10)
                $0.accelerator = "tcg"
                $0.text = "first"
            } == [])
    }

    @Test func whatIsLeftHangsBelowItsNearestAncestors() throws {
        let place = try TemporaryCatalogue()
        let tree = try family(place)
        var filter = LogFilter()
        filter.kinds = [.image, .experiment]
        let drawing = tree.filtered(filter).drawing().map { $0.rails + $0.member.names.joined() }
        #expect(drawing == ["● Mini", "● First"])
        #expect(tree.filtered(filter).roots.count == 1)
        filter.kinds = [.experiment, .convert]
        #expect(tree.filtered(filter).drawing().map { $0.member.names.joined() } == ["Mini:b", "First"])
    }

    @Test func theLimitLeavesTheNewest() throws {
        let place = try TemporaryCatalogue()
        let tree = try family(place)
        #expect(names(tree.filtered(LogFilter(), limit: 2)) == ["First", "Mini:b"])
        #expect(names(tree.filtered(LogFilter(), limit: 0)) == [])
        #expect(names(tree.filtered(LogFilter(), limit: 100)).count == 4)
    }

    @Test func noParentComesBeforeItsChildrenEvenIfTheClockWentBack() throws {
        let place = try TemporaryCatalogue()
        var parent = try place.createVM("Mini")
        for (number, time) in [500, 400, 300, 2].enumerated() {
            parent = try place.addSnapshot("s\(number)", of: "Mini", after: parent, time: Int64(time))
        }
        let tree = try FamilyTree(of: Name("Mini"), in: place.catalogue)
        #expect(names(tree) == ["Mini:s3", "Mini:s2", "Mini:s1", "Mini:s0", "Mini"])
    }

    @Test func tagsOfClonesAddUp() throws {
        let place = try TemporaryCatalogue()
        let snapshot = try place.createTaggedVM("Mini")
        try place.catalogue.clone(Name("Mini"), as: Name("Copy"))
        let more = try Name("zzz")
        try place.catalogue.annotate(Reference(parsing: "Copy:a"), operation: "tag") { $0.tag([more]) }
        let member = try #require(try FamilyTree(of: nil, in: place.catalogue).members[snapshot])
        #expect(member.names == ["Copy:a", "Mini:a"])
        #expect(member.annotation.tags.map(\.text) == ["base", "ready", "zzz"])
    }
}
