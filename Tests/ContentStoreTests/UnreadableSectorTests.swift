import ContentStore
import Glibc
import Testing

/// Sectors of packs that the disk cannot read any more: what is sound is rescued, and a repair ends.
@Suite struct UnreadableSectorTests {
    private struct Specimen {
        let fixture: Fixture
        let system = HookedFileSystem()
        let root: TreeRoot
        let bytes: [UInt8]
        let other: ContentStore

        init(_ seed: UInt64) throws {
            fixture = try Fixture()
            var random = Random(seed)
            bytes = random.bytes(4 * 65_536)
            // One chunk to a frame.
            root = try fixture.store.add("a", bytes, options: IngestOptions(compression: .lz4))
            let second = "\(fixture.directory.path)/second"
            try clone(fixture.store.path, second)
            other = try ContentStore.open(at: second)
        }

        func pack() throws -> String { try #require(try fixture.store.files("packs").first) }

        func opened() throws -> ContentStore {
            try ContentStore.open(at: fixture.store.path, createIfMissing: false, fileSystem: system)
        }
    }

    /// Where the sector is.
    enum Place: String, CaseIterable {
        case header, frame, frameHeader, table
    }

    @Test(arguments: Place.allCases, [false, true])
    func aRepairEnds(place: Place, isIndexLost: Bool) throws {
        let specimen = try Specimen(760)
        let pack = try specimen.pack()
        let bytes = try contents(of: pack)
        let frames = BundleBytes.frames(ofPack: bytes)
        let second = UInt64(frames[1].lowerBound)
        switch place {
        case .header: specimen.system.damage(pack, 0..<512)
        case .frame: specimen.system.damage(pack, second + 20_480..<second + 20_992)
        case .frameHeader: specimen.system.damage(pack, second..<second + 512)
        case .table: specimen.system.damage(pack, UInt64(bytes.count) - 512..<UInt64(bytes.count))
        }
        if isIndexLost { for index in try specimen.fixture.store.files("indexes") { unlink(index) } }
        let store = try specimen.opened()
        let report = try store.repair(from: [.store(specimen.other)])
        #expect(report.isSound)
        // At most the nodes, or one chunk, had to come from elsewhere.
        #expect(report.repairedObjects <= 2 && report.rescuedObjects >= 4)
        #expect(report.quarantined.map(\.isReplaced) == [false])
        #expect(try !store.files("packs").contains(pack))
        #expect(try specimen.opened().bytes(specimen.root) == specimen.bytes)
        // Once is enough.
        #expect(try specimen.opened().repair().quarantined.isEmpty)
        #expect(try store.files("quarantine").count == 1)
    }

    /// What an operation needs and is gone is given up, but not what only cannot be read.
    @Test func whatCannotBeReadIsNotTakenForGone() throws {
        let specimen = try Specimen(762)
        try specimen.fixture.store.updateRefs([RefChange("a", new: nil)], operation: "remove")
        let pack = try specimen.pack()
        let last = try #require(BundleBytes.frames(ofPack: try contents(of: pack)).last)
        specimen.system.damage(pack, UInt64(last.lowerBound)..<UInt64(last.lowerBound) + 512)
        for index in try specimen.fixture.store.files("indexes") { unlink(index) }
        let error = #expect(throws: StoreError.self) { try specimen.opened().collect() }
        #expect(error?.isOfReading == true)
        #expect(try specimen.fixture.store.files("packs") == [pack])
        #expect(try specimen.fixture.reopened().collect().missingObjects == 0)
    }

    @Test func withoutAnIndexTheRestIsRead() throws {
        let specimen = try Specimen(761)
        let pack = try specimen.pack()
        let second = UInt64(BundleBytes.frames(ofPack: try contents(of: pack))[1].lowerBound)
        specimen.system.damage(pack, second..<second + 512)
        for index in try specimen.fixture.store.files("indexes") { unlink(index) }
        let store = try specimen.opened()
        #expect(try store.read(specimen.root, at: 131_072, count: 65_536) == Array(specimen.bytes[131_072..<196_608]))
        #expect(throws: StoreError.self) { try store.read(specimen.root, at: 65_536, count: 1) }
        // The disk may do better the next time: what was found is not written down.
        #expect(try store.files("indexes").isEmpty)
        #expect(try specimen.fixture.reopened().bytes(specimen.root) == specimen.bytes)
        #expect(try specimen.fixture.store.files("indexes").count == 1)
    }
}

extension StoreError {
    /// The disk failed, or what it gave is wrong.
    fileprivate var isOfReading: Bool { code == .io || code == .damaged }
}
