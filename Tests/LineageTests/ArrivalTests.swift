import ContentStore
import Lineage
import Testing

@Suite struct ArrivalTests {
    /// What a bundle of some names would carry.
    private func refs(_ names: [String], in place: borrowing TemporaryCatalogue) throws -> [(
        name: String, commit: Digest
    )] {
        let selections = try names.map { try Selection(parsing: $0) }
        return try place.catalogue.refs(of: selections).sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    @Test func aVMGoesWithEverythingThatBearsItsName() throws {
        let place = try TemporaryCatalogue()
        let snapshot = try place.createTaggedVM("Mini")
        try place.createVM("Mini2", disk: "two")
        try place.addExperiment("First", of: snapshot, called: "Mini:a")
        #expect(
            try refs(["Mini"], in: place).map(\.name) == ["vms/Mini/head", "vms/Mini/notes/a", "vms/Mini/snapshots/a"])
        #expect(try refs(["Mini:a"], in: place).map(\.name) == ["vms/Mini/notes/a", "vms/Mini/snapshots/a"])
        #expect(
            try refs(["experiment/First", "Mini2"], in: place).map(\.name) == ["experiments/First", "vms/Mini2/head"])
        #expect(try place.catalogue.everything().count == 3)
        #expect(throws: LineageError.self) { try refs(["Gone"], in: place) }
        #expect(throws: LineageError.self) { try Selection(parsing: "experiment/") }
    }

    @Test func newNamesArriveUnderTheRules() throws {
        let place = try TemporaryCatalogue()
        let snapshot = try place.createTaggedVM("Mini")
        try place.createVM("Other", disk: "other")
        try place.addExperiment("First", of: snapshot, called: "Mini:a")
        let sent = try refs(["Mini", "Other", "experiment/First"], in: place)
        var rules = ArrivalRules()
        rules.prefix = "far-"
        rules.renames = [try Name("Other"): try Name("Near")]
        let arrivals = try place.catalogue.arrivals(of: sent + [("odd/ref", snapshot)], rules: rules)
        #expect(
            arrivals.map(\.ref).sorted() == [
                "experiments/far-First", "vms/Near/head", "vms/far-Mini/head", "vms/far-Mini/notes/a",
                "vms/far-Mini/snapshots/a",
            ])
        #expect(arrivals.allSatisfy { $0.action == .created })
        try place.catalogue.store.updateRefs(arrivals.map(\.change), operation: "import")
        #expect(try place.annotation("far-Mini:a") == place.annotation("Mini:a"))
        // Again: nothing to do.
        #expect(try place.catalogue.arrivals(of: sent, rules: rules).allSatisfy { $0.action == .unchanged })
    }

    @Test func aHeadMovesOnlyToWhatDescendsFromIt() throws {
        let place = try TemporaryCatalogue()
        let old = try place.createVM("Mini")
        let ingest = try place.catalogue.store.beginIngest(label: "test")
        let next = try place.catalogue.store.commit(old).successor(.run, of: old, message: "run")
        let new = try place.catalogue.moveHead(of: Name("Mini"), from: old, to: next, ingest: ingest, operation: "run")
        let other = try place.createVM("Other", disk: "other")
        let ref = "vms/Mini/head"
        func action(_ digest: Digest) throws -> Arrival.Action? {
            try place.catalogue.arrivals(of: [(ref, digest)], rules: ArrivalRules()).first?.action
        }
        // What is here is newer.
        #expect(try action(old) == .unchanged)
        try place.catalogue.store.updateRefs([RefChange(ref, new: old)], operation: "back")
        #expect(try action(new) == .moved)
        let error = #expect(throws: LineageError.self) {
            try place.catalogue.arrivals(of: [(ref, other)], rules: ArrivalRules())
        }
        #expect(error?.code == .exists)
        #expect(error?.message.contains("VM Mini") == true)
    }

    @Test func ofTwoNotesTheYoungerStays() throws {
        let place = try TemporaryCatalogue()
        _ = try place.createTaggedVM("Mini")
        let ref = "vms/Mini/notes/a"
        let first = try #require(try place.catalogue.store.ref(ref))
        try place.catalogue.annotate(Reference(parsing: "Mini:a"), operation: "note") { $0.note = "later" }
        let second = try #require(try place.catalogue.store.ref(ref))
        let older = try place.catalogue.arrivals(of: [(ref, first)], rules: ArrivalRules())
        #expect(older.map(\.action) == [.unchanged] && older.map(\.new) == [second])
        try place.catalogue.store.updateRefs([RefChange(ref, new: first)], operation: "back")
        #expect(try place.catalogue.arrivals(of: [(ref, second)], rules: ArrivalRules()).map(\.action) == [.moved])
    }

    @Test func snapshotsWithoutTheirVMGetAHead() throws {
        let place = try TemporaryCatalogue()
        let snapshot = try place.createTaggedVM("Mini")
        let sent = try refs(["Mini:a"], in: place)
        #expect(
            try place.catalogue.missingHeads(in: place.catalogue.arrivals(of: sent, rules: ArrivalRules())).isEmpty)
        var rules = ArrivalRules()
        rules.renames = [try Name("Mini"): try Name("Alone")]
        var arrivals = try place.catalogue.arrivals(of: sent, rules: rules)
        let missing = try place.catalogue.missingHeads(in: arrivals)
        #expect(missing.map(\.vm.text) == ["Alone"] && missing.map(\.snapshot.digest) == [snapshot])
        let ingest = try place.catalogue.store.beginIngest(label: "test")
        for (vm, snapshot) in missing {
            arrivals.append(try place.catalogue.makeHead(of: vm, from: snapshot, in: ingest))
        }
        try ingest.publish(arrivals.map(\.change), operation: "import")
        let vm = try place.catalogue.vm(Name("Alone"))
        #expect(vm.snapshots.map(\.digest) == [snapshot])
        #expect(vm.head.commit.disks == vm.snapshots.first?.commit.disks)
    }

    @Test func twoThingsCannotArriveUnderOneName() throws {
        let place = try TemporaryCatalogue()
        try place.createVM("A", disk: "a")
        try place.createVM("B", disk: "b")
        let sent = try refs(["A", "B"], in: place)
        var rules = ArrivalRules()
        rules.renames = [try Name("A"): try Name("C"), try Name("B"): try Name("C")]
        #expect(throws: LineageError.self) { try place.catalogue.arrivals(of: sent, rules: rules) }
    }
}
