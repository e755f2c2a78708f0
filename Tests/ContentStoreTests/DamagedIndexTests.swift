import ContentStore
import Testing

/// A damaged index makes nobody delete what is needed.
@Suite struct DamagedIndexTests {
    /// A store with an object or two in each of four packs, which one index covers.
    private func specimen() throws -> (fixture: Fixture, root: TreeRoot, bytes: [UInt8]) {
        let fixture = try Fixture()
        var random = Random(90)
        let bytes = random.bytes(3 * 65_536)
        let root = try fixture.store.add("main", bytes, options: IngestOptions(packSize: 65_536))
        #expect(try fixture.store.files("packs").count == 4)
        #expect(try fixture.store.files("indexes").count == 1)
        return (fixture, root, bytes)
    }

    /// Every second byte of the numbers of packs, and some of all others.
    private func positions(_ index: [UInt8]) -> [Int] {
        let entries = 24 + 1024 + 40 * 4
        let step = Scale.count(53, full: 1)
        return (0..<index.count).filter { position in
            position % step == 0 || (position >= entries && (position - entries) % 40 == 36)
        }
    }

    private func check(
        _ what: String, _ root: TreeRoot, _ bytes: [UInt8], _ fixture: Fixture,
        _ body: (ContentStore) throws -> Void
    ) throws {
        let name = try #require(try fixture.store.files("indexes").first).split(separator: "/").last ?? ""
        let sound = try contents(of: "\(fixture.store.path)/indexes/\(name)")
        let copy = "\(fixture.directory.path)/copy"
        for position in positions(sound) {
            try clone(fixture.store.path, copy)
            var index = sound
            index[position] ^= 1
            try overwrite("\(copy)/indexes/\(name)", index)
            do {
                try body(try ContentStore.open(at: copy))
            } catch {
                Issue.record("\(what), byte \(position): \(error)")
            }
            let store = try ContentStore.open(at: copy)
            let isRight = (try? store.bytes(root)) == bytes
            #expect(isRight, "\(what), byte \(position)")
            #expect(try store.verify(level: .structure).isSound, "\(what), byte \(position)")
            TemporaryDirectory.remove(copy)
        }
    }

    @Test func aCollectionChecksEveryIndex() throws {
        let (fixture, root, bytes) = try specimen()
        let eager = CollectOptions(keepOperations: 0, maximumUnused: 0)
        try check("collect", root, bytes, fixture) { _ = try $0.collect(eager) }
    }

    @Test func aRepackChecksEveryIndex() throws {
        let (fixture, root, bytes) = try specimen()
        let collect = CollectOptions(keepOperations: 0, maximumUnused: 0)
        try check("repack", root, bytes, fixture) {
            let report = try $0.repack(RepackOptions(toleratedJumps: 0, collect: collect))
            #expect(report.collection.damagedPacks.isEmpty)
        }
    }

    @Test func aPredictionChecksEveryIndex() throws {
        let (fixture, root, bytes) = try specimen()
        let options = CollectOptions(keepOperations: 0, maximumUnused: 0, isDryRun: true)
        try check("dry run", root, bytes, fixture) { store in
            let report = try store.collect(options)
            #expect(report.trashed.packs == 0 && report.deadObjects == 0)
            #expect(report.liveObjects == 5)
        }
    }
}
