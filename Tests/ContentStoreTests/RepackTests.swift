import ContentStore
import Testing

/// The same objects in other packs: in the order of reading, or with another compression.
@Suite struct RepackTests {
    /// A disk that was changed here and there, many times.
    private func generations(
        _ fixture: Fixture, _ count: Int, kind: TreeKind = .disk, size: Int = 4 << 20
    ) throws -> [(name: String, root: TreeRoot, bytes: [UInt8])] {
        var random = Random(20)
        let unit = kind == .disk ? 65_536 : 4096
        var bytes = random.bytes(size / 2) + random.text(size / 2)
        var result: [(name: String, root: TreeRoot, bytes: [UInt8])] = []
        for number in 0..<count {
            let name = "g\(number)"
            if let last = result.last {
                let ingest = try fixture.store.beginIngest(label: name)
                let editor = try ingest.edit(last.root, kind: kind, length: UInt64(size))
                for _ in 0..<8 {
                    let place = Int.random(in: 0..<size / unit, using: &random) * unit
                    let fresh = random.text(unit)
                    bytes.replaceSubrange(place..<place + unit, with: fresh)
                    try editor.write(fresh, at: UInt64(place))
                }
                let root = try editor.finish()
                let commit = try ingest.putCommit(
                    Commit(kind: "t", trees: ["t": root], time: Timestamp(seconds: Int64(number))))
                try ingest.publish([RefChange(name, new: commit)], operation: name)
                result.append((name, root, bytes))
            } else {
                result.append((name, try fixture.store.add(name, bytes, kind: kind), bytes))
            }
        }
        return result
    }

    private func check(_ fixture: Fixture, _ all: [(name: String, root: TreeRoot, bytes: [UInt8])]) throws {
        let store = try fixture.reopened()
        for generation in all {
            #expect(try store.bytes(generation.root) == generation.bytes, "\(generation.name)")
            #expect(try fixture.store.bytes(generation.root) == generation.bytes, "\(generation.name)")
        }
        #expect(try store.verify(level: .deep).damage.isEmpty)
    }

    @Test(arguments: [TreeKind.disk, .memory])
    func treesArePutInOrder(kind: TreeKind) throws {
        let fixture = try Fixture()
        let all = try generations(fixture, 25, kind: kind)
        let last = try #require(all.last)
        let commit = try #require(try fixture.store.ref(last.name))
        let report = try fixture.store.repack(RepackOptions(commits: [commit]))
        #expect(report.trees == 1 && report.objects > 0 && report.jumpsBefore > 30)
        #expect(report.jumpsAfter < 5)
        try check(fixture, all)
        // All that is in order stays where it is.
        let again = try fixture.store.repack(RepackOptions(commits: [commit]))
        #expect(again.objects == 0 && again.written.packs == 0)
        let whole = try fixture.store.repack()
        #expect(whole.trees == 25)
        try check(fixture, all)
    }

    @Test func anotherCompressionForAll() throws {
        let fixture = try Fixture()
        let all = try generations(fixture, 5)
        let before = try fixture.store.statistics()
        let small = try fixture.store.recompress(.zstd(level: 9))
        #expect(small.bytesAfter < small.bytesBefore && small.collection.rewritten.packs == before.packs)
        try check(fixture, all)
        let middle = try fixture.store.statistics()
        #expect(middle.packBytes < before.packBytes)
        let hot = try fixture.store.recompress(.none)
        #expect(hot.objects == middle.objects && hot.bytesAfter > hot.bytesBefore)
        try check(fixture, all)
        _ = try fixture.store.recompress(.lz4)
        try check(fixture, all)
    }

    @Test func anotherCompressionForOneCommit() throws {
        let fixture = try Fixture()
        let all = try generations(fixture, 4)
        let first = try #require(try fixture.store.ref("g0"))
        let report = try fixture.store.recompress(.none, commits: [first])
        #expect(report.bytesAfter > report.bytesBefore)
        // The tree, its 64 chunks and the commit.
        #expect(report.objects == 66)
        try check(fixture, all)
        let missing = Digest(of: [7])
        #expect(throws: StoreError.self) { try fixture.store.recompress(.none, commits: [missing]) }
    }
}
