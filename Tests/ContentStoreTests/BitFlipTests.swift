import ContentStore
import Glibc
import Testing

/// Single bits of packs and indexes turn over: none goes unnoticed, no reader gets wrong bytes, and with a second store all is well again.
@Suite struct BitFlipTests {
    @Test func everyFlipIsFoundAndRepaired() throws {
        let lineage = try Lineage(800, options: IngestOptions(packSize: 100_000), isSmall: true)
        let path = "\(lineage.fixture.directory.path)/copy"
        try RepairTests.copy(lineage.store.path, path)
        var random = Random(801)
        let trees = try (lineage.commits + [lineage.other]).flatMap { try lineage.store.commit($0).trees.values }
        let expected = try trees.map { try lineage.store.bytes($0) }
        let blobs = try lineage.commits.flatMap { try lineage.store.commit($0).blobs.values }
        let expectedBlobs = try blobs.map { try lineage.store.blob($0) }
        var inPacks = 0
        var unreadable = 0
        for round in 0..<Scale.count(150, full: 1000) {
            let files = try ContentStore.open(at: path).files(round % 5 == 4 ? "indexes" : "packs")
            let file = try #require(files.randomElement(using: &random))
            var bytes = try contents(of: file)
            let bit = Int.random(in: 0..<bytes.count * 8, using: &random)
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            // Indexes are mapped, and never changed in place.
            unlink(file)
            try overwrite(file, bytes)
            let context: Comment = "bit \(bit) of \(file)"
            let isPack = file.hasSuffix(".pack")
            if isPack { inPacks += 1 }
            // What can be read is right.
            let reader = try ContentStore.open(at: path, access: .readOnly)
            var failures = 0
            for (tree, right) in zip(trees, expected) {
                for start in stride(from: 0, to: right.count, by: 262_144) {
                    let count = min(262_144, right.count - start)
                    do {
                        let read = try reader.read(tree, at: UInt64(start), count: count)
                        #expect(read == Array(right[start..<start + count]), context)
                    } catch {
                        #expect([.damaged, .notFound].contains(error.code), context)
                        failures += 1
                    }
                }
            }
            for (blob, right) in zip(blobs, expectedBlobs) {
                do { #expect(try reader.blob(blob) == right, context) } catch { failures += 1 }
            }
            if !isPack { #expect(failures == 0, context) }
            if failures > 0 { unreadable += 1 }
            // It is found, whether a reader saw it or not.
            // Nothing is synced: no power is cut here.
            let store = try ContentStore.open(at: path, createIfMissing: false, fileSystem: FaultyFileSystem())
            let report = try store.verify(level: .deep)
            #expect(!report.damage.isEmpty, context)
            #expect(report.isSound != isPack, context)
            if failures > 0 { #expect(!report.affectedRefs.isEmpty, context) }
            let repaired = try store.repair(from: [.store(lineage.store)])
            #expect(repaired.isSound, context)
            #expect(repaired.quarantined.count == (isPack ? 1 : 0), context)
            if round % 10 == 9 { #expect(try store.verify(level: .deep).damage.isEmpty, context) }
        }
        let store = try ContentStore.open(at: path)
        for (tree, right) in zip(trees, expected) { #expect(try store.bytes(tree) == right) }
        #expect(try store.verify(level: .deep).damage.isEmpty)
        #expect(try store.files("quarantine").count == inPacks)
        #expect(unreadable > inPacks / 2)
    }
}
