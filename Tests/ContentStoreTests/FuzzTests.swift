import ContentStore
import Testing

/// Mutated bytes with their checksums made right again: every parser throws or succeeds, and what it returns has its digest.
@Suite struct FuzzTests {
    /// The frames of a sound pack, from its frame table.
    private func frames(_ pack: [UInt8]) -> [Range<Int>] {
        let table = Int(number(pack, pack.count - 24, 8))
        let count = Int(number(pack, pack.count - 40, 4))
        return (0..<count).map { index in
            let start = Int(number(pack, table + 8 * index, 4))
            return start..<start + Int(number(pack, table + 8 * index + 4, 4))
        }
    }

    private func number(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> UInt64 {
        (0..<count).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
    }

    private func put(_ value: UInt32, _ bytes: inout [UInt8], _ offset: Int) {
        for index in 0..<4 { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(8 * index)) }
    }

    /// Makes the CRCs of frames and table right, with the sizes that the sound pack had.
    private func reseal(_ pack: inout [UInt8], _ frames: [Range<Int>]) {
        for frame in frames {
            let headerEnd = frame.lowerBound + 24 + 36 * Int(number(pack, frame.lowerBound + 6, 2))
            guard headerEnd <= frame.upperBound else { continue }
            let stored = Int(number(pack, frame.lowerBound + 12, 4))
            if headerEnd + stored <= pack.count {
                put(CRC32C.checksum(Array(pack[headerEnd..<headerEnd + stored])), &pack, frame.lowerBound + 16)
            }
            let start = CRC32C.checksum(Array(pack[frame.lowerBound..<frame.lowerBound + 20]))
            put(
                CRC32C.checksum(Array(pack[frame.lowerBound + 24..<headerEnd]), continuing: start), &pack,
                frame.lowerBound + 20)
        }
        let table = frames.last?.upperBound ?? 16
        put(CRC32C.checksum(Array(pack[table..<pack.count - 12])), &pack, pack.count - 12)
    }

    private func mutate(_ bytes: inout [UInt8], _ random: inout Random) {
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            guard let position = bytes.indices.randomElement(using: &random) else { return }
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes[position] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes[position] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
            case 2: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 3:
                for index in position..<min(position + 4, bytes.count) { bytes[index] = 0xFF }
            default:
                let other = Int.random(in: 0..<bytes.count, using: &random)
                let count = min(16, bytes.count - max(position, other))
                let piece = Array(bytes[other..<other + count])
                bytes.replaceSubrange(position..<position + count, with: piece)
            }
        }
    }

    @Test(arguments: [Compression.none, .lz4, .zstd(level: 1)])
    func packs(compression: Compression) throws {
        let fixture = try Fixture()
        var random = Random(100)
        let text = random.text(24) + [UInt8](repeating: 5, count: 70_000)
        let root = try fixture.store.add(
            "disk", text, kind: .memory, options: IngestOptions(compression: compression))
        let blobBytes = [UInt8](repeating: 8, count: 70_000)
        let ingest = try fixture.store.beginIngest(label: "b", options: IngestOptions(compression: compression))
        let blob = try ingest.putBlob(blobBytes)
        try ingest.finish()
        for path in try fixture.store.files("packs") {
            let sound = try contents(of: path)
            let frames = frames(sound)
            for round in 0..<400 {
                var bytes = sound
                mutate(&bytes, &random)
                if Int.random(in: 0..<20, using: &random) == 0 {
                    bytes.removeLast(Int.random(in: 0...bytes.count - 64, using: &random))
                }
                if bytes.count == sound.count { reseal(&bytes, frames) }
                try overwrite(path, bytes)
                // Half of the time the pack has to be indexed again.
                if round % 2 == 0 {
                    for index in try fixture.store.files("indexes") { TemporaryDirectory.remove(index) }
                }
                let store = try fixture.reopened()
                // With its CRCs made right, damage to a leaf is found by whoever asks for digests, and harms nobody else.
                _ = try? store.bytes(root)
                var read = [UInt8](repeating: 1, count: text.count)
                let isRead = read.withUnsafeMutableBytes { read in
                    let options = BulkReadOptions(checksDigests: true)
                    return (try? store.fill(read, from: root, isZeroed: false, options: options)) != nil
                }
                if isRead { #expect(read == text) }
                if let read = try? store.blob(blob) { #expect(read == blobBytes) }
                if round % 20 == 0 { _ = try store.verify(level: .deep) }
            }
            try overwrite(path, sound)
            for index in try fixture.store.files("indexes") { TemporaryDirectory.remove(index) }
        }
        #expect(try fixture.reopened().verify(level: .deep).damage.isEmpty)
    }

    @Test func indexes() throws {
        let fixture = try Fixture()
        var random = Random(101)
        let text = random.text(200_000)
        let root = try fixture.store.add("a", text, kind: .memory, options: IngestOptions(packSize: 65_536))
        let path = try #require(try fixture.store.files("indexes").first)
        let sound = try contents(of: path)
        for _ in 0..<1500 {
            var bytes = sound
            mutate(&bytes, &random)
            if Int.random(in: 0..<10, using: &random) == 0 {
                bytes.removeLast(Int.random(in: 0...bytes.count, using: &random))
            }
            if bytes.count > 8 { put(CRC32C.checksum(Array(bytes.dropLast(8))), &bytes, bytes.count - 8) }
            for index in try fixture.store.files("indexes") { TemporaryDirectory.remove(index) }
            try overwrite(path, bytes)
            // An index that lies under a right checksum may hide objects, but not change them.
            if let read = try? fixture.reopened().bytes(root) { #expect(read == text) }
        }
    }

    @Test func nodes() throws {
        let fixture = try Fixture()
        var random = Random(102)
        for kind in TreeKind.allCases {
            let root = try fixture.store.add("n", random.text(5_000_000), kind: kind)
            let sound = try fixture.store.blob(try #require(root.digest))
            let ingest = try fixture.store.beginIngest(label: "nodes")
            var roots: [TreeRoot] = []
            for _ in 0..<1000 {
                var bytes = sound
                mutate(&bytes, &random)
                if Bool.random(using: &random) { bytes.removeLast(Int.random(in: 0...40, using: &random)) }
                var mutant = root
                mutant.digest = try ingest.putBlob(bytes)
                if Bool.random(using: &random) { mutant.length = random.next() >> 1 }
                roots.append(mutant)
            }
            try ingest.finish()
            for mutant in roots where mutant != root {
                for offset in [0, 70_000, 3_000_000] {
                    _ = try? fixture.store.read(mutant, at: UInt64(offset), count: 100)
                }
                _ = try? fixture.store.extents(of: mutant, from: 0, length: min(mutant.length, 1 << 26))
            }
        }
    }

    @Test func commits() throws {
        let fixture = try Fixture()
        var random = Random(103)
        let ingest = try fixture.store.beginIngest(label: "commits")
        let blob = try ingest.putBlob([1])
        let parent = try ingest.putCommit(Commit(kind: "p"))
        let digest = try ingest.putCommit(
            Commit(
                kind: "k\n", parents: [parent], trees: ["t": TreeRoot(kind: .disk, length: 1, digest: blob)],
                blobs: ["b": blob], attributes: ["a\"": "ü\u{1}"], message: "m"))
        try ingest.finish()
        let sound = try fixture.store.blob(digest)
        let other = try fixture.store.beginIngest(label: "mutants")
        var digests: [Digest] = []
        let pieces = [
            "[", "]", "{", "}", "\"", "\\u", "\\", ",", ":", "-", "9999999999999999999", "1e5", "null", "\u{FF}",
        ]
        for _ in 0..<4000 {
            var bytes = sound
            if Bool.random(using: &random) { mutate(&bytes, &random) }
            if Bool.random(using: &random), let piece = pieces.randomElement(using: &random) {
                bytes.insert(contentsOf: piece.utf8, at: Int.random(in: 0...bytes.count, using: &random))
            }
            digests.append(try other.putBlob(bytes))
        }
        digests.append(try other.putBlob([UInt8](repeating: UInt8(ascii: "["), count: 60_000)))
        digests.append(try other.putBlob(Array(String(repeating: "{\"a\":", count: 10_000).utf8)))
        try other.finish()
        for mutant in digests {
            do { _ = try fixture.store.commit(mutant) } catch { #expect(error.code == .damaged) }
        }
    }

    @Test func refsOperationsAndLeases() throws {
        let fixture = try Fixture()
        var random = Random(104)
        try fixture.store.add("a", [1])
        let lease = try fixture.store.lease(label: "x")
        for directory in ["refs", "operations", "leases"] {
            let path = try #require(try fixture.store.files(directory).first)
            let sound = try contents(of: path)
            for _ in 0..<500 {
                var bytes = sound
                mutate(&bytes, &random)
                if bytes.count > 16, Bool.random(using: &random) {
                    let text = Array(bytes.dropLast(16))
                    let context = directory == "refs" ? Array("a".utf8) : []
                    let crc = String(CRC32C.checksum(text, continuing: CRC32C.checksum(context)), radix: 16)
                    bytes = text + Array("crc32c \(String(repeating: "0", count: 8 - crc.count))\(crc)\n".utf8)
                }
                try overwrite(path, bytes)
                _ = try? fixture.store.ref("a")
                _ = try fixture.store.operations()
                _ = try fixture.store.leases()
            }
            try overwrite(path, sound)
        }
        withExtendedLifetime(lease) {}
    }
}
