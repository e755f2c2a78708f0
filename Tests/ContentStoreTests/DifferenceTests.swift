import ContentStore
import Testing

/// What differs between two trees, against a comparison of their bytes.
@Suite struct DifferenceTests {
    /// What `differences` has to find, leaf by leaf.
    private func expected(_ first: [UInt8], _ second: [UInt8], leaf: Int) -> [TreeDifference] {
        let length = max(first.count, second.count)
        var runs: [TreeDifference] = []
        for start in stride(from: 0, to: length, by: leaf) {
            let end = min(start + leaf, length)
            func part(_ bytes: [UInt8]) -> [UInt8] {
                let part = start < bytes.count ? Array(bytes[start..<min(end, bytes.count)]) : []
                return part + [UInt8](repeating: 0, count: end - start - part.count)
            }
            let (before, after) = (part(first), part(second))
            if before == after { continue }
            let isZero = [before, after].map { $0.allSatisfy { $0 == 0 } }
            let kind: TreeDifference.Kind = isZero[0] ? .added : isZero[1] ? .removed : .changed
            if let last = runs.indices.last, runs[last].kind == kind, runs[last].end == UInt64(start) {
                runs[last].length += UInt64(end - start)
            } else {
                runs.append(TreeDifference(offset: UInt64(start), length: UInt64(end - start), kind: kind))
            }
        }
        return runs
    }

    private func runs(_ store: ContentStore, _ first: TreeRoot?, _ second: TreeRoot?) throws -> [TreeDifference] {
        var runs: [TreeDifference] = []
        try store.difference(first, second) { runs.append($0) }
        return runs
    }

    private func total(_ runs: [TreeDifference], _ kind: TreeDifference.Kind) -> UInt64 {
        runs.filter { $0.kind == kind }.reduce(0) { $0 + $1.length }
    }

    @Test(arguments: [(TreeKind.disk, 65_536), (.memory, 4096)])
    func randomTrees(kind: TreeKind, leaf: Int) throws {
        let fixture = try Fixture()
        var random = Random(300)
        // Trees of one, some and many leaves; the last ones need a second level.
        for round in 0..<40 {
            let leaves = [1, 5, 40, kind == .disk ? 140 : 700][round % 4]
            func contents(_ old: [UInt8]) -> [UInt8] {
                let count = Int.random(in: 0...leaves * leaf, using: &random)
                var bytes = Array(old.prefix(count)) + [UInt8](repeating: 0, count: max(0, count - old.count))
                for _ in 0..<Int.random(in: 0...6, using: &random) {
                    guard let position = bytes.indices.randomElement(using: &random) else { break }
                    let end = min(bytes.count, position + Int.random(in: 1...3 * leaf, using: &random))
                    let byte = Bool.random(using: &random) ? 0 : UInt8.random(in: 1...255, using: &random)
                    for index in position..<end { bytes[index] = byte }
                }
                return bytes
            }
            let first = contents([])
            let second = contents(first)
            let old = try fixture.store.add("a\(round)", first, kind: kind)
            let new = try fixture.store.add("b\(round)", second, kind: kind)
            for (one, other, before, after) in [(old, new, first, second), (new, old, second, first)] {
                let found = try runs(fixture.store, one, other)
                let wanted = expected(before, after, leaf: leaf)
                #expect(found == wanted, "round \(round)")
                let size = try fixture.store.differenceSize(one, other)
                #expect(size.runs == UInt64(found.count))
                #expect(
                    [size.changed, size.added, size.removed] == [.changed, .added, .removed].map { total(found, $0) })
                #expect(size.total == found.reduce(0) { $0 + $1.length })
            }
            #expect(try runs(fixture.store, nil, new) == expected([], second, leaf: leaf))
            #expect(try runs(fixture.store, old, nil) == expected(first, [], leaf: leaf))
            #expect(try runs(fixture.store, old, old).isEmpty)
        }
        #expect(try runs(fixture.store, nil, nil).isEmpty)
    }

    @Test func treesOfVeryDifferentHeight() throws {
        let fixture = try Fixture()
        let ingest = try fixture.store.beginIngest(label: "high")
        func tree(_ length: UInt64, _ offsets: [UInt64]) throws -> TreeRoot {
            let editor = try ingest.edit(nil, kind: .disk, length: length)
            for offset in offsets { try editor.write([1], at: offset) }
            return try editor.finish()
        }
        let high: UInt64 = 1 << 62
        let low = try tree(100_000, [3, 70_000])
        let same = try tree(high, [3, 70_000])
        let more = try tree(high, [3, 1 << 40, high - 1])
        try ingest.finish()
        #expect(try runs(fixture.store, low, same).isEmpty)
        #expect(
            try runs(fixture.store, low, more) == [
                TreeDifference(offset: 65_536, length: 65_536, kind: .removed),
                TreeDifference(offset: 1 << 40, length: 65_536, kind: .added),
                TreeDifference(offset: high - 65_536, length: 65_536, kind: .added),
            ])
        #expect(try fixture.store.differenceSize(more, low).removed == 131_072)
    }

    @Test func whatIsEqualIsNotRead() throws {
        let fixture = try Fixture()
        var random = Random(301)
        var bytes = random.bytes(65_536 * 300)
        let old = try fixture.store.add("old", bytes)
        bytes[65_536 * 200] ^= 1
        let new = try fixture.store.add("new", bytes)
        // Two pairs of nodes are read: two level-1 nodes and two level-0 nodes of the same third of the disk.
        let system = FaultyFileSystem()
        let store = try ContentStore.open(at: fixture.store.path, createIfMissing: false, fileSystem: system)
        #expect(
            try runs(store, old, new) == [TreeDifference(offset: 65_536 * 200, length: 65_536, kind: .changed)])
        #expect(system.calls < 60)
    }

    @Test func kindsAreNotMixed() throws {
        let fixture = try Fixture()
        let disk = try fixture.store.add("disk", [1], kind: .disk)
        let memory = try fixture.store.add("memory", [1], kind: .memory)
        #expect(throws: StoreError.self) { try fixture.store.differences(from: disk, to: memory) }
    }
}
