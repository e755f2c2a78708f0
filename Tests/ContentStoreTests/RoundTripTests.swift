import ContentStore
import Testing

/// What is put in comes out again, for every kind of content, alignment and codec.
@Suite struct RoundTripTests {
    @Test(
        arguments: TreeKind.allCases,
        [IngestOptions(), IngestOptions(compression: .none), IngestOptions(compression: .zstd(level: 3))])
    func treesOfAllSortsOfContent(kind: TreeKind, options: IngestOptions) throws {
        let fixture = try Fixture()
        var random = Random(1)
        let zeros = [UInt8](repeating: 0, count: 150_000)
        let bytes = random.bytes(200_001) + zeros + random.text(300_000) + zeros + random.bytes(77)
        let root = try fixture.store.add("a", bytes, kind: kind, options: options)
        #expect(root.length == UInt64(bytes.count))
        #expect(try fixture.store.bytes(root) == bytes)
        #expect(try fixture.reopened().bytes(root) == bytes)
        #expect(try fixture.store.verify(level: .deep).damage.isEmpty)
    }

    @Test func anyRangeOfATree() throws {
        let fixture = try Fixture()
        var random = Random(2)
        let bytes = random.text(400_000) + [UInt8](repeating: 0, count: 300_000) + random.bytes(100_000)
        let root = try fixture.store.add("a", bytes)
        for _ in 0..<300 {
            let start = Int.random(in: 0...bytes.count, using: &random)
            let count = Int.random(in: 0...min(150_000, bytes.count - start), using: &random)
            #expect(
                try fixture.store.read(root, at: UInt64(start), count: count) == Array(bytes[start..<start + count]))
        }
        #expect(throws: StoreError.self) { try fixture.store.read(root, at: UInt64(bytes.count), count: 1) }
        #expect(throws: StoreError.self) { try fixture.store.read(root, at: UInt64.max, count: 1) }
    }

    @Test func boundedCachesReadTheSame() throws {
        let fixture = try Fixture()
        var random = Random(4)
        let bytes = random.text(700_000) + random.bytes(100_000)
        let root = try fixture.store.add("a", bytes, kind: .memory)
        // Full of what was read, then bounded: what is there goes, and what comes does not stay.
        #expect(try fixture.store.bytes(root) == bytes)
        for limit in [100_000, 0] {
            fixture.store.limitCaches(frames: limit, nodes: limit)
            for start in stride(from: 0, to: bytes.count - 5000, by: 37_000) {
                #expect(
                    try fixture.store.read(root, at: UInt64(start), count: 5000) == Array(bytes[start..<start + 5000]))
            }
        }
    }

    @Test func zerosAreNoObjects() throws {
        let fixture = try Fixture()
        let ingest = try fixture.store.beginIngest(label: "zeros")
        let editor = try ingest.edit(nil, kind: .disk, length: 1 << 40)
        try editor.write([UInt8](repeating: 0, count: 3 << 20), at: 12345)
        try editor.zero(at: 0, length: 1 << 40)
        let root = try editor.finish()
        #expect(root == TreeRoot(kind: .disk, length: 1 << 40, digest: nil))
        try ingest.finish()
        #expect(try fixture.store.read(root, at: 1 << 39, count: 100) == [UInt8](repeating: 0, count: 100))
        #expect(try fixture.store.statistics().packs == 0)
        #expect(
            try fixture.store.extents(of: root, from: 5, length: 1 << 39)
                == [Extent(offset: 5, length: 1 << 39, kind: .zero)])
    }

    @Test func pagesAndZeroPages() throws {
        let fixture = try Fixture()
        var random = Random(3)
        let first = random.bytes(4096)
        let last = random.bytes(100)
        let root = try fixture.store.add(
            "ram", first + [UInt8](repeating: 0, count: 8192) + last, kind: .memory)
        var page = [UInt8](repeating: 7, count: 4096)
        #expect(try page.withUnsafeMutableBytes { try fixture.store.page(root, index: 0, into: $0) })
        #expect(page == first)
        #expect(try !page.withUnsafeMutableBytes { try fixture.store.page(root, index: 2, into: $0) })
        #expect(page == first)
        #expect(try page.withUnsafeMutableBytes { try fixture.store.page(root, index: 3, into: $0) })
        #expect(page == last + [UInt8](repeating: 0, count: 4096 - 100))
        #expect(throws: StoreError.self) {
            try page.withUnsafeMutableBytes { try fixture.store.page(root, index: 4, into: $0) }
        }
    }

    @Test func extentsAreMergedAndClipped() throws {
        let fixture = try Fixture()
        let chunk = 65_536
        let data = [UInt8](repeating: 9, count: chunk)
        let zero = [UInt8](repeating: 0, count: chunk)
        let root = try fixture.store.add("a", data + data + zero + zero + zero + data)
        #expect(
            try fixture.store.extents(of: root, from: 100, length: UInt64(6 * chunk - 200)) == [
                Extent(offset: 100, length: UInt64(2 * chunk - 100), kind: .data),
                Extent(offset: UInt64(2 * chunk), length: UInt64(3 * chunk), kind: .zero),
                Extent(offset: UInt64(5 * chunk), length: UInt64(chunk - 100), kind: .data),
            ])
        #expect(try fixture.store.extents(of: root, from: 0, length: 0).isEmpty)
    }

    @Test(arguments: [0, 1, 4096, 65_535, 65_536, 65_537, 131_072, 3_000_001])
    func blobs(count: Int) throws {
        let fixture = try Fixture()
        var random = Random(4)
        let bytes = random.text(count)
        let ingest = try fixture.store.beginIngest(label: "blob")
        let digest = try ingest.putBlob(bytes)
        #expect(digest == Digest(of: bytes))
        #expect(try ingest.putBlob(bytes) == digest)
        let commit = try ingest.putCommit(Commit(kind: "k", blobs: ["b": digest]))
        try ingest.publish([RefChange("r", new: commit)], operation: "o")
        #expect(try fixture.reopened().blob(digest) == bytes)
        #expect(try fixture.store.verify(level: .deep).damage.isEmpty)
    }

    @Test func commitsKeepEverything() throws {
        let fixture = try Fixture()
        let ingest = try fixture.store.beginIngest(label: "commit")
        let blob = try ingest.putBlob(Array("x".utf8))
        let parent = try ingest.putCommit(Commit(kind: "image"))
        let commit = Commit(
            kind: "snap\u{1}shot", parents: [parent, parent],
            trees: ["vda": TreeRoot(kind: .disk, length: 5, digest: nil)],
            blobs: ["ü/\"\\\n": blob], attributes: ["z": "", "a": "1 \u{1F600}"], message: "line\nline\ttab",
            time: Timestamp(seconds: -5, nanoseconds: 999_999_999))
        let digest = try ingest.putCommit(commit)
        try ingest.finish()
        #expect(try fixture.reopened().commit(digest) == commit)
        #expect(throws: StoreError.self) { try fixture.store.commit(blob) }
    }

    @Test func commitsNameOnlyWhatIsThere() throws {
        let fixture = try Fixture()
        let ingest = try fixture.store.beginIngest(label: "commit")
        #expect(throws: StoreError.self) {
            try ingest.putCommit(Commit(kind: "k", parents: [Digest(of: [1])]))
        }
    }

    @Test func manyPacks() throws {
        let fixture = try Fixture()
        var random = Random(5)
        let bytes = random.bytes(3_000_000)
        let root = try fixture.store.add("a", bytes, options: IngestOptions(compression: .lz4, packSize: 200_000))
        #expect(try fixture.store.statistics().packs > 10)
        #expect(try fixture.store.statistics().indexes == 1)
        #expect(try fixture.store.bytes(root) == bytes)
        for path in try fixture.store.files("packs") { #expect(try contents(of: path).count <= 200_000) }
        #expect(try fixture.store.files("tmp").isEmpty)
        #expect(try fixture.store.files("leases").isEmpty)
        #expect(try fixture.store.verify(level: .deep).damage.isEmpty)
    }

    @Test func equalContentIsStoredOnce() throws {
        let fixture = try Fixture()
        var random = Random(6)
        let bytes = random.bytes(1_000_000)
        let first = try fixture.store.add("a", bytes)
        let size = try fixture.store.statistics().packBytes
        let second = try fixture.store.add("b", bytes)
        #expect(first == second)
        #expect(try fixture.store.statistics().packBytes == size)
        // Shifted by whole chunks, and twice in itself: only nodes and the commit are new.
        let third = try fixture.store.add("c", Array(bytes[131_072...]) + [UInt8](repeating: 0, count: 7) + bytes)
        #expect(third.digest != first.digest)
        let twice = try fixture.store.beginIngest(label: "twice")
        let editor = try twice.edit(nil, kind: .disk, length: 4 << 20)
        let chunk = random.bytes(65_536)
        for index in 0..<64 { try editor.write(chunk, at: UInt64(index * 65_536)) }
        _ = try editor.finish()
        try twice.finish()
        #expect(twice.statistics.leaves == 64)
        #expect(twice.statistics.leavesReused == 63)
    }
}
