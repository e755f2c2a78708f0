import ContentStore
import Lineage
import Testing

@Suite struct UndoTests {
    /// Every ref with its value.
    private func refs(_ catalogue: Catalogue) throws -> [String: Digest] {
        Dictionary(uniqueKeysWithValues: try catalogue.store.refs().map { ($0.name, $0.digest) })
    }

    @Test func everyKindOfOperationIsUndoneAndDoneAgain() throws {
        let place = try TemporaryCatalogue()
        let snapshot = try place.createTaggedVM("Mini")
        try place.addExperiment("First", of: snapshot, called: "Mini:a")
        let catalogue = place.catalogue
        let steps: [(Catalogue) throws -> Void] = [
            { try $0.clone(Name("Mini"), as: Name("Copy")) },
            { try $0.rename(Name("Copy"), to: Name("Clone")) },
            { try $0.rename(Reference(parsing: "Mini:a"), to: Name("b")) },
            { try $0.annotate(Reference(parsing: "Mini:b"), operation: "note") { $0.note = "other" } },
            { try $0.removeExperiment(Name("First")) },
            { try $0.removeSnapshot(Reference(parsing: "Mini:b")) },
            { try $0.removeVM(Name("Mini")) },
            { try $0.removeVM(Name("Clone")) },
        ]
        var states = [try refs(catalogue)]
        for step in steps {
            let before = try refs(catalogue)
            try step(catalogue)
            let after = try refs(catalogue)
            #expect(before != after)
            try catalogue.undo(catalogue.reversal())
            #expect(try refs(catalogue) == before)
            let redo = try catalogue.undo(catalogue.reversal())
            #expect(redo.operation.hasPrefix("undo ") && !redo.operation.contains("(undo 1 ("))
            #expect(try refs(catalogue) == after)
            states.append(after)
        }
        #expect(try catalogue.vms().isEmpty)
    }

    @Test func operationsAreUndoneOneByOneDownTheLog() throws {
        let place = try TemporaryCatalogue()
        let empty = try refs(place.catalogue)
        _ = try place.createTaggedVM("Mini")
        try place.catalogue.clone(Name("Mini"), as: Name("Copy"))
        let last = try #require(try place.catalogue.store.operations().last?.number)
        for number in (1...last).reversed() { try place.catalogue.undo(place.catalogue.reversal(of: number)) }
        #expect(try refs(place.catalogue) == empty)
    }

    @Test func anOperationWhoseNamesChangedSinceIsRefused() throws {
        let place = try TemporaryCatalogue()
        try place.createVM("Mini")
        let created = try #require(try place.catalogue.store.operations().last?.number)
        try place.createVM("Other", disk: "other")
        try place.catalogue.rename(Name("Mini"), to: Name("Maxi"))
        let before = try refs(place.catalogue)
        let error = #expect(throws: LineageError.self) { try place.catalogue.reversal(of: created) }
        #expect(error?.code == .changed)
        #expect(error?.message.contains("vm rename Mini Maxi") == true)
        #expect(try refs(place.catalogue) == before)
        // One in the middle that nothing touched is no problem.
        try place.catalogue.undo(place.catalogue.reversal(of: created + 1))
        #expect(try place.catalogue.vms().map(\.name.text) == ["Maxi"])
    }

    @Test func whatChangesBetweenLookingAndUndoingIsNotOverwritten() throws {
        let place = try TemporaryCatalogue()
        _ = try place.createTaggedVM("Mini")
        try place.catalogue.removeSnapshot(Reference(parsing: "Mini:a"))
        let reversal = try place.catalogue.reversal()
        let head = try place.catalogue.vm(Name("Mini")).head.digest
        let other = try place.addSnapshot("a", of: "Mini", after: head, time: 99)
        #expect(throws: StoreError.self) { try place.catalogue.undo(reversal) }
        #expect(try place.catalogue.snapshot(Reference(parsing: "Mini:a")).digest == other)
    }

    @Test func thereMustBeSomethingToUndo() throws {
        let place = try TemporaryCatalogue()
        #expect(throws: LineageError.self) { try place.catalogue.reversal() }
        try place.createVM("Mini")
        let error = #expect(throws: LineageError.self) { try place.catalogue.reversal(of: 17) }
        #expect(error?.code == .notFound)
    }

    @Test func stepsAreToldInTheUsersWords() throws {
        let place = try TemporaryCatalogue()
        _ = try place.createTaggedVM("Mini")
        try place.catalogue.removeVM(Name("Mini"))
        let reversal = try place.catalogue.reversal()
        #expect(
            Set(reversal.steps.map(\.subject.description)) == ["VM Mini", "snapshot Mini:a", "tags and note of Mini:a"])
        #expect(reversal.vms.map(\.text) == ["Mini"])
        #expect(RefSubject(ref: "experiments/x").description == "experiment x")
        for odd in ["", "vms/", "vms/a b/head", "vms/Mini/other/x", "vms/Mini/snapshots/x/y", "other"] {
            #expect(RefSubject(ref: odd) == .other(odd))
        }
    }
}
