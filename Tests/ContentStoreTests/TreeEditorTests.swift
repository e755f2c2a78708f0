import ContentStore
import Testing

/// The tree editor against a plain array of bytes.
@Suite struct TreeEditorTests {
    /// A few random edits of a tree and the array that models it, over several generations and lengths.
    @Test(arguments: TreeKind.allCases, [UInt64(10), 11, 12, 13, 14, 15])
    func randomEdits(kind: TreeKind, seed: UInt64) throws {
        let fixture = try Fixture()
        var random = Random(seed)
        var model: [UInt8] = []
        var root: TreeRoot?
        for generation in 0..<6 {
            // Around the size of one node of level 0 of RAM (2 MiB), so that trees grow and shrink in height.
            let length = Int.random(in: 0...(generation % 2 == 0 ? 2_600_000 : 900_000), using: &random)
            let ingest = try fixture.store.beginIngest(label: "edit", options: IngestOptions(packSize: 1 << 20))
            let editor = try ingest.edit(root, kind: kind, length: UInt64(length))
            model = Array(model.prefix(length)) + [UInt8](repeating: 0, count: max(0, length - model.count))
            for _ in 0..<Int.random(in: 0...25, using: &random) {
                try edit(editor, &model, &random)
            }
            let new = try editor.finish()
            try ingest.finish()
            #expect(try fixture.store.bytes(new) == model)
            try checkCanonical(fixture.store, new, model)
            root = new
        }
        #expect(try fixture.store.verify(level: .deep).damage.isEmpty)
    }

    private func edit(_ editor: TreeEditor, _ model: inout [UInt8], _ random: inout Random) throws {
        let start = Int.random(in: 0...model.count, using: &random)
        let most = [1, 100, 4096, 70_000, 600_000].randomElement(using: &random) ?? 1
        var count = Int.random(in: 0...min(most, model.count - start), using: &random)
        var from = start
        if Bool.random(using: &random) {
            // Whole pages.
            from = start & ~4095
            count = min((count + 4095) & ~4095, model.count - from)
        }
        switch Int.random(in: 0..<4, using: &random) {
        case 0:
            try editor.zero(at: UInt64(from), length: UInt64(count))
            for index in from..<from + count { model[index] = 0 }
        case 1:
            try editor.write([UInt8](repeating: 0, count: count), at: UInt64(from))
            for index in from..<from + count { model[index] = 0 }
        case 2:
            let bytes = random.bytes(count)
            try editor.write(bytes, at: UInt64(from))
            model.replaceSubrange(from..<from + count, with: bytes)
        default:
            // In small pieces, as a slow producer writes.
            let bytes = random.text(count)
            var done = 0
            while done < count {
                let piece = min(count - done, Int.random(in: 1...9000, using: &random))
                try editor.write(Array(bytes[done..<done + piece]), at: UInt64(from + done))
                done += piece
            }
            model.replaceSubrange(from..<from + count, with: bytes)
        }
    }

    /// The same contents made in one go give the same root.
    private func checkCanonical(_ store: ContentStore, _ root: TreeRoot, _ model: [UInt8]) throws {
        let ingest = try store.beginIngest(label: "again")
        let editor = try ingest.edit(nil, kind: root.kind, length: root.length)
        try editor.write(model, at: 0)
        #expect(try editor.finish() == root)
    }

    @Test func sparseWritesIntoAHugeDisk() throws {
        let fixture = try Fixture()
        let length: UInt64 = 1 << 50
        var random = Random(20)
        var root: TreeRoot?
        var pieces: [(UInt64, [UInt8])] = []
        for _ in 0..<3 {
            let ingest = try fixture.store.beginIngest(label: "sparse")
            let editor = try ingest.edit(root, kind: .disk, length: length)
            for _ in 0..<10 {
                let offset = UInt64.random(in: 0..<length - 100, using: &random)
                let bytes = random.bytes(100)
                try editor.write(bytes, at: offset)
                pieces.append((offset, bytes))
            }
            root = try editor.finish()
            try ingest.finish()
        }
        let tree = try #require(root)
        for (offset, bytes) in pieces { #expect(try fixture.store.read(tree, at: offset, count: 100) == bytes) }
        let extents = try fixture.store.extents(of: tree, from: 0, length: length)
        #expect(extents.filter { $0.kind == .data }.count <= pieces.count)
        #expect(extents.reduce(0) { $0 + $1.length } == length)
        // All away at once.
        let ingest = try fixture.store.beginIngest(label: "clear")
        let editor = try ingest.edit(tree, kind: .disk, length: length)
        try editor.write([1], at: 77)
        try editor.zero(at: 1, length: length - 1)
        #expect(try editor.finish().digest == nil)
        ingest.close()
    }

    @Test func manyScatteredNodesAreForgottenAndFoundAgain() throws {
        let fixture = try Fixture()
        let ingest = try fixture.store.beginIngest(label: "scatter")
        // More nodes of level 0 than are kept, twice over.
        let nodes: UInt64 = 300
        let editor = try ingest.edit(nil, kind: .memory, length: nodes << 21)
        for round in UInt64(0)..<2 {
            for node in 0..<nodes {
                let bytes: [UInt8] = [1, UInt8(round), UInt8(node & 255), UInt8(node >> 8)]
                try editor.write(bytes, at: node << 21 | round << 12)
            }
        }
        let root = try editor.finish()
        try ingest.finish()
        for node in 0..<nodes {
            for round in UInt64(0)..<2 {
                #expect(
                    try fixture.store.read(root, at: node << 21 | round << 12, count: 4) == [
                        1, UInt8(round), UInt8(node & 255), UInt8(node >> 8),
                    ])
            }
        }
    }

    @Test func aBaseOfTheSameIngest() throws {
        let fixture = try Fixture()
        var random = Random(30)
        let ingest = try fixture.store.beginIngest(label: "chain", options: IngestOptions(packSize: 100_000))
        var model = random.bytes(700_000)
        var root: TreeRoot?
        for kind in [TreeKind.memory, .memory, .memory] {
            let editor = try ingest.edit(root, kind: kind, length: UInt64(model.count))
            if root == nil { try editor.write(model, at: 0) }
            let start = Int.random(in: 0..<model.count - 5000, using: &random)
            let bytes = random.bytes(5000)
            try editor.write(bytes, at: UInt64(start))
            model.replaceSubrange(start..<start + 5000, with: bytes)
            root = try editor.finish()
        }
        let tree = try #require(root)
        // Nothing is visible before the end.
        #expect(try fixture.reopened().statistics().packs == 0)
        #expect(throws: StoreError.self) { try fixture.reopened().bytes(tree) }
        try ingest.finish()
        #expect(try fixture.store.bytes(tree) == model)
    }

    @Test func theCostIsWhatChanges() throws {
        let fixture = try Fixture()
        var random = Random(40)
        let root = try fixture.store.add("a", random.bytes(20 << 20))
        let ingest = try fixture.store.beginIngest(label: "small")
        let editor = try ingest.edit(root, kind: .disk, length: root.length)
        try editor.write([1, 2, 3], at: 10 << 20)
        _ = try editor.finish()
        try ingest.finish()
        #expect(ingest.statistics.newBytes < 65_536 + 3 * 4200)
    }

    @Test func misuseIsRefused() throws {
        let fixture = try Fixture()
        let ingest = try fixture.store.beginIngest(label: "misuse")
        let editor = try ingest.edit(nil, kind: .disk, length: 100)
        #expect(throws: StoreError.self) { try editor.write([1, 2], at: 99) }
        #expect(throws: StoreError.self) { try editor.zero(at: 1, length: UInt64.max) }
        #expect(throws: StoreError.self) { try ingest.edit(nil, kind: .disk, length: UInt64.max) }
        let disk = TreeRoot(kind: .disk, length: 100, digest: nil)
        #expect(throws: StoreError.self) { try ingest.edit(disk, kind: .memory, length: 100) }
        let lost = TreeRoot(kind: .disk, length: 100, digest: Digest(of: [1]))
        let other = try ingest.edit(lost, kind: .disk, length: 100)
        #expect(throws: StoreError.self) { try other.write([1], at: 0) }
        // A refused write leaves the editor as it was.
        try editor.write([1], at: 99)
        let root = try editor.finish()
        #expect(throws: StoreError.self) { try editor.write([1], at: 0) }
        try ingest.finish()
        #expect(throws: StoreError.self) { try ingest.putBlob([1]) }
        #expect(try fixture.store.read(root, at: 98, count: 2) == [0, 1])
    }
}
