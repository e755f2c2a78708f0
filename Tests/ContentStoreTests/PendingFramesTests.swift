import ContentStore
import Glibc
import Testing

/// Leaves are encoded while those after them are hashed: until then they are read back, counted, found again and given up like any others.
@Suite struct PendingFramesTests {
    /// What a batch holds; as much is handed over at once.
    private static let batch = 8 << 20

    private static func noise(_ count: Int) -> [UInt8] {
        var random = Random(90)
        return random.bytes(count)
    }

    @Test(arguments: TreeKind.allCases)
    func leavesAreReadBackBeforeTheyAreEncoded(kind: TreeKind) throws {
        let fixture = try Fixture()
        var model = Self.noise(2 * Self.batch + 300_000)
        let ingest = try fixture.store.beginIngest(label: "back")
        let editor = try ingest.edit(nil, kind: kind, length: UInt64(model.count))
        try editor.write(Array(model[..<(Self.batch + 5000)]), at: 0)
        // A leaf that was hashed just now is changed in part, and so is one that waits to be.
        for place in [Self.batch - 70_000, Self.batch + 2000] {
            try editor.write([1, 2, 3], at: UInt64(place))
            model.replaceSubrange(place..<place + 3, with: [1, 2, 3])
        }
        let rest = Self.batch + 5000
        try editor.write(Array(model[rest...]), at: UInt64(rest))
        let first = try editor.finish()
        // The base is pending in part.
        let second = try ingest.edit(first, kind: kind, length: first.length)
        try second.write([4], at: first.length - 1)
        let root = try second.finish()
        try ingest.finish()
        #expect(try fixture.store.bytes(first) == model)
        #expect(try fixture.store.bytes(root) == model.dropLast() + [4])
        #expect(try fixture.store.verify(level: .deep).damage.isEmpty)
    }

    @Test func treesAndBlobsTakeTurns() throws {
        let fixture = try Fixture()
        let model = Self.noise(3 * Self.batch)
        let ingest = try fixture.store.beginIngest(label: "turns")
        let editors = try [TreeKind.disk, .memory].map {
            try ingest.edit(nil, kind: $0, length: UInt64(model.count))
        }
        var blobs: [Digest] = []
        for start in stride(from: 0, to: model.count, by: Self.batch) {
            for editor in editors {
                try editor.write(Array(model[start..<start + Self.batch]), at: UInt64(start))
                // The blob's bytes are gone before the next step.
                blobs.append(try ingest.putBlob(Array(model[start + 1..<start + Self.batch]) + [UInt8(blobs.count)]))
            }
        }
        let roots = try editors.map { try $0.finish() }
        try ingest.finish()
        for root in roots { #expect(try fixture.store.bytes(root) == model) }
        for (index, blob) in blobs.enumerated() {
            let start = index / 2 * Self.batch
            #expect(try fixture.store.blob(blob) == model[start + 1..<start + Self.batch] + [UInt8(index)])
        }
    }

    @Test(arguments: TreeKind.allCases)
    func whatIsPendingIsStoredOnce(kind: TreeKind) throws {
        let fixture = try Fixture()
        let model = Self.noise(Self.batch)
        let ingest = try fixture.store.beginIngest(label: "twice")
        let editor = try ingest.edit(nil, kind: kind, length: UInt64(2 * model.count))
        for place in [0, model.count] { try editor.write(model, at: UInt64(place)) }
        _ = try editor.finish()
        let statistics = ingest.statistics
        #expect(statistics.leavesReused == statistics.leaves / 2)
        try ingest.finish()
        #expect(try fixture.store.statistics().packBytes < UInt64(model.count) * 11 / 10)
    }

    @Test func statisticsCountWhatIsPending() throws {
        let fixture = try Fixture()
        let model = Self.noise(Self.batch / 2)
        let ingest = try fixture.store.beginIngest(label: "count")
        let editor = try ingest.edit(nil, kind: .disk, length: UInt64(model.count))
        try editor.write(model, at: 0)
        let root = try editor.finish()
        #expect(ingest.statistics.storedBytes > UInt64(model.count))
        try ingest.finish()
        #expect(try fixture.store.bytes(root) == model)
    }

    @Test(arguments: [true, false])
    func anAbandonedIngestLeavesNothing(isClosed: Bool) throws {
        let fixture = try Fixture()
        do {
            let ingest = try fixture.store.beginIngest(label: "abandoned", options: IngestOptions(packSize: 1 << 20))
            let editor = try ingest.edit(nil, kind: .disk, length: UInt64(3 * Self.batch))
            try editor.write(Self.noise(2 * Self.batch + 5000), at: 0)
            if isClosed {
                ingest.close()
                #expect(throws: StoreError.self) { try editor.finish() }
                #expect(ingest.statistics.leaves > 0)
            }
        }
        for directory in ["tmp", "leases", "packs", "indexes"] {
            #expect(try fixture.store.files(directory).isEmpty, "\(directory)")
        }
    }

    /// Every call of an ingest of several batches fails once: those in the middle write what was handed over, close full packs, or read
    /// back what was pending.
    @Test func aFailureEndsTheIngest() throws {
        let model = Self.noise(3 * Self.batch)
        let digest = Digest(of: model)
        func store(_ directory: TemporaryDirectory, _ system: FaultyFileSystem) throws -> (
            ContentStore, Ingest, TreeRoot
        ) {
            let store = try ContentStore.open(
                at: "\(directory.path)/store", createIfMissing: false, fileSystem: system)
            let ingest = try store.beginIngest(label: "fails", options: IngestOptions(packSize: 4 << 20))
            do {
                let editor = try ingest.edit(nil, kind: .disk, length: UInt64(model.count))
                try editor.write(Array(model[..<(2 * Self.batch)]), at: 0)
                try editor.write([model[Self.batch]], at: UInt64(Self.batch))
                try editor.write(Array(model[(2 * Self.batch)...]), at: UInt64(2 * Self.batch))
                let root = try editor.finish()
                try ingest.finish()
                return (store, ingest, root)
            } catch {
                // It stays as it failed, whatever is asked of it.
                _ = ingest.statistics
                #expect(throws: StoreError.self) { try ingest.putBlob([1]) }
                #expect(throws: StoreError.self) { try ingest.finish() }
                throw error
            }
        }
        func empty() throws -> TemporaryDirectory {
            let directory = try TemporaryDirectory()
            _ = try ContentStore.open(at: "\(directory.path)/store", createIfMissing: true)
            return directory
        }
        let undisturbed = FaultyFileSystem()
        let home = try empty()
        let (whole, _, root) = try store(home, undisturbed)
        #expect(try Digest(of: whole.bytes(root)) == digest)
        var failures = 0
        for number in stride(from: 0, to: undisturbed.calls, by: TestScale.choose(13, full: 1)) {
            let directory = try empty()
            do {
                let (store, ingest, root) = try store(directory, FaultyFileSystem(.once(at: number, errno: EIO)))
                #expect(try Digest(of: store.bytes(root)) == digest, "call \(number) fails unnoticed")
                ingest.close()
            } catch is StoreError {
                failures += 1
                let store = try ContentStore.open(at: "\(directory.path)/store", createIfMissing: false)
                try store.beginIngest(label: "sweep").close()
                for name in ["tmp", "leases"] {
                    #expect(try store.files(name).isEmpty, "\(name) after the failure of call \(number)")
                }
                #expect(try store.verify(level: .deep).damage.isEmpty)
            }
        }
        #expect(failures > 0)
    }
}
