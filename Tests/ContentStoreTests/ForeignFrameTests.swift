import ContentStore
import Glibc
import Testing

/// Frames that no writer of the store makes, although their CRCs and digests are right.
@Suite struct ForeignFrameTests {
    private let eager = CollectOptions(keepOperations: 0, maximumUnused: 0)

    /// The offset of the first byte of the table of the first frame in pieces.
    private func pieceTable(_ bytes: [UInt8], _ frames: [Range<Int>]) throws -> Int {
        let frame = try #require(frames.first { bytes[$0.lowerBound + 4] == Codec.pieces.rawValue })
        return BundleBytes.storedStart(bytes, frame)
    }

    /// A store with one frame in pieces, the table of which says other CRCs than its bytes have.
    private func storeWithAWrongTable(_ seed: UInt64) throws -> (fixture: Fixture, root: TreeRoot, bytes: [UInt8]) {
        let fixture = try Fixture()
        var random = Random(seed)
        let bytes = random.bytes(65_536)
        let root = try fixture.store.add("a", bytes)
        let path = try #require(try fixture.store.files("packs").first)
        var pack = try contents(of: path)
        let frames = BundleBytes.frames(ofPack: pack)
        pack[try pieceTable(pack, frames) + 3] ^= 1
        BundleBytes.resealFrames(&pack, frames)
        // As if a writer had made it: under its own digest.
        unlink(path)
        for index in try fixture.store.files("indexes") { unlink(index) }
        try overwrite("\(fixture.store.path)/packs/\(Digest(of: pack).hex).pack", pack)
        return (fixture, root, bytes)
    }

    /// Reads few bytes, and then all, each with empty caches.
    private func check(_ store: ContentStore, _ root: TreeRoot, _ bytes: [UInt8]) throws {
        let few = try ContentStore.open(at: store.path)
        #expect(try few.read(root, at: 20_000, count: 100) == Array(bytes[20_000..<20_100]))
        #expect(try ContentStore.open(at: store.path).bytes(root) == bytes)
    }

    @Test func anImportRefusesAWrongTableOfPieces() throws {
        let source = try Fixture()
        var random = Random(461)
        try source.store.add("a", random.bytes(65_536))
        let commit = try #require(try source.store.ref("a"))
        let path = "\(source.directory.path)/a.bundle"
        _ = try source.store.exportBundle(to: path, commits: [commit])
        let sound = try contents(of: path)
        let frames = BundleBytes.frames(sound)
        // A CRC of a piece, and the CRC of the table.
        for offset in [0, 64] {
            var bundle = sound
            bundle[try pieceTable(bundle, frames) + offset] ^= 1
            BundleBytes.reseal(&bundle, frames)
            try overwrite(path, bundle)
            let target = try Fixture()
            let error = #expect(throws: StoreError.self) { try target.store.importBundle(from: path) }
            #expect(error?.code == .damaged)
            #expect(try target.store.files("packs").isEmpty)
        }
    }

    @Test(arguments: [VerifyLevel.checksums, .deep])
    func verifyFindsAWrongTableOfPieces(level: VerifyLevel) throws {
        let (fixture, root, bytes) = try storeWithAWrongTable(462)
        let report = try fixture.store.verify(level: level)
        #expect(report.damage.contains { $0.kind == .pack && $0.offset == 16 })
        #expect(report.affectedRefs == ["a"])
        // The bytes are all there: a repair needs no source.
        #expect(try fixture.store.repair(level: level).isSound)
        try check(fixture.store, root, bytes)
        #expect(try fixture.store.verify(level: .deep).damage.isEmpty)
    }

    @Test func anExportSendsNoWrongTableOfPieces() throws {
        let (fixture, root, bytes) = try storeWithAWrongTable(463)
        let commit = try #require(try fixture.store.ref("a"))
        let path = "\(fixture.directory.path)/a.bundle"
        _ = try fixture.store.exportBundle(to: path, commits: [commit])
        let target = try Fixture()
        try target.store.importBundle(from: path).publish([RefChange("a", new: commit)], operation: "import")
        try check(target.store, root, bytes)
    }

    @Test func aCollectionCopiesNoWrongTableOfPieces() throws {
        let (fixture, root, bytes) = try storeWithAWrongTable(464)
        let store = fixture.store
        // So many small packs are put together.
        for number in 0..<32 { try store.add("small \(number)", [UInt8](repeating: UInt8(number + 1), count: 9)) }
        let report = try store.collect(eager)
        #expect(report.rewritten.packs == 33 && report.damagedPacks.isEmpty)
        try check(store, root, bytes)
    }

    @Test func aRepackCopiesNoWrongTableOfPieces() throws {
        let (fixture, root, bytes) = try storeWithAWrongTable(465)
        // Two leaves in two packs.
        var random = Random(466)
        let both = random.bytes(65_536) + bytes
        let other = try fixture.store.add("b", both)
        let commit = try #require(try fixture.store.ref("b"))
        let report = try fixture.store.repack(RepackOptions(commits: [commit], toleratedJumps: 0))
        #expect(report.objects >= 2 && report.collection.damagedPacks.isEmpty)
        try check(fixture.store, root, bytes)
        let store = try fixture.reopened()
        #expect(try store.read(other, at: 100_000, count: 100) == Array(both[100_000..<100_100]))
    }

    /// A zstd frame of 256 KiB, chunk i full of the byte i + 1, that asks for a window of `1 << log` bytes.
    private func zstdFrame(windowLog log: UInt8) -> [UInt8] {
        // Magic; neither checksum nor content size; the window.
        var bytes: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0, (log - 10) << 3]
        for chunk in 0..<4 {
            // A block of one byte, repeated 65 536 times.
            let header = UInt32(65_536 << 3 | 1 << 1 | (chunk == 3 ? 1 : 0))
            bytes += [UInt8(truncatingIfNeeded: header), UInt8(truncatingIfNeeded: header >> 8), UInt8(header >> 16)]
            bytes.append(UInt8(chunk + 1))
        }
        return bytes
    }

    @Test func aForeignFrameAsksForLittleMemory() throws {
        // Half of the window is what is wanted of it.
        for (log, isTaken) in [(UInt8(17), true), (20, true), (21, false), (27, false)] {
            let stored = zstdFrame(windowLog: log)
            var part = [UInt8](repeating: 0, count: 70_000)
            let context = CodecContext()
            let isDecoded = stored.withUnsafeBytes { stored in
                part.withUnsafeMutableBytes { Codec.zstd.decodePrefix(stored, into: $0, with: context) }
            }
            #expect(isDecoded == isTaken, "2^\(log)")
            if isTaken { #expect(part[65_535] == 1 && part[65_536] == 2) }
        }
    }

    @Test func aForeignFrameWithALargeWindowIsRead() throws {
        let source = try Fixture()
        let bytes = (1...4).flatMap { [UInt8](repeating: UInt8($0), count: 65_536) }
        let root = try source.store.add("a", bytes)
        let commit = try #require(try source.store.ref("a"))
        let path = "\(source.directory.path)/a.bundle"
        _ = try source.store.exportBundle(to: path, commits: [commit])
        var bundle = try contents(of: path)
        let frame = try #require(
            BundleBytes.frames(bundle).first { BundleBytes.number(bundle, $0.lowerBound + 8, 4) == 262_144 })
        let stored = zstdFrame(windowLog: 27)
        bundle.replaceSubrange(BundleBytes.storedStart(bundle, frame)..<frame.upperBound, with: stored)
        BundleBytes.put(UInt32(stored.count), &bundle, frame.lowerBound + 12)
        BundleBytes.reseal(&bundle, BundleBytes.frames(bundle))
        try overwrite(path, bundle)
        let target = try Fixture()
        try target.store.importBundle(from: path).publish([RefChange("a", new: commit)], operation: "import")
        let few = try ContentStore.open(at: target.store.path)
        #expect(try few.read(root, at: 70_000, count: 100) == Array(bytes[70_000..<70_100]))
        #expect(try ContentStore.open(at: target.store.path).bytes(root) == bytes)
        #expect(try target.store.verify(level: .deep).damage.isEmpty)
    }
}
