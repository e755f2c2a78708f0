import ContentStore
import Glibc
import Synchronization
import Testing

/// The bulk read gives the bytes that reading one by one gives, whatever the shape of the tree and the damage.
@Suite struct BulkReadTests {
    /// A tree with holes, repeated leaves, leaves shared between two writes, and a last leaf that is cut short.
    private static func specimen(_ kind: TreeKind, _ random: inout Random) -> [UInt8] {
        let leaf = kind == .disk ? 65_536 : 4096
        var bytes: [UInt8] = []
        let repeated = random.bytes(leaf)
        let count = kind == .disk ? 50 : 400
        for index in 0..<count {
            switch index % 11 {
            case 0, 5: bytes += [UInt8](repeating: 0, count: leaf)
            case 3: bytes += repeated
            case 7: bytes += random.bytes(leaf)
            default: bytes += random.text(leaf)
            }
        }
        return bytes + random.text(leaf / 3)
    }

    /// What a bulk read delivers, put together; fails the test when pieces overlap.
    private static func bytes(
        _ store: ContentStore, _ root: TreeRoot, in range: Range<UInt64>, options: BulkReadOptions = BulkReadOptions()
    ) throws -> [UInt8] {
        let result = Mutex((bytes: [UInt8](repeating: 0, count: range.count), seen: [Range<UInt64>]()))
        try store.forEachPiece(of: root, in: range, options: options) { offset, piece in
            result.withLock { result in
                let start = Int(offset - range.lowerBound)
                result.bytes.replaceSubrange(start..<start + piece.count, with: piece)
                result.seen.append(offset..<offset + UInt64(piece.count))
            }
        }
        let (bytes, seen) = result.withLock { $0 }
        let sorted = seen.sorted { $0.lowerBound < $1.lowerBound }
        for (first, second) in zip(sorted, sorted.dropFirst()) { #expect(first.upperBound <= second.lowerBound) }
        #expect(sorted.allSatisfy { range.lowerBound <= $0.lowerBound && $0.upperBound <= range.upperBound })
        return bytes
    }

    @Test(arguments: TreeKind.allCases, [Compression.none, .lz4, .zstd(level: 1)])
    func everyWayGivesTheSameBytes(_ kind: TreeKind, _ compression: Compression) throws {
        var random = Random(1)
        let expected = Self.specimen(kind, &random)
        let fixture = try Fixture()
        let root = try fixture.store.add(
            "a", expected, kind: kind, options: IngestOptions(compression: compression, packSize: 1 << 20))
        let store = try fixture.reopened()
        #expect(try store.bytes(root) == expected)
        let whole = 0..<UInt64(expected.count)
        for threads in [1, 2, 5] {
            #expect(try Self.bytes(store, root, in: whole, options: BulkReadOptions(threads: threads)) == expected)
        }
        #expect(try Self.bytes(store, root, in: whole, options: BulkReadOptions(checksDigests: true)) == expected)
        for _ in 0..<30 {
            let start = UInt64(random.next() % UInt64(expected.count))
            let end = start + random.next() % (UInt64(expected.count) - start + 1)
            let part = Array(expected[Int(start)..<Int(end)])
            #expect(try Self.bytes(store, root, in: start..<end) == part)
            for isZeroed in [true, false] {
                var memory = [UInt8](repeating: isZeroed ? 0 : 0xEE, count: part.count)
                try memory.withUnsafeMutableBytes { memory in
                    _ = try store.fill(memory, from: root, at: start, isZeroed: isZeroed)
                }
                #expect(memory == part)
            }
            #expect(try store.read(root, at: start, count: part.count) == part)
        }
    }

    @Test func everyFrameIsDecodedOnce() throws {
        var random = Random(2)
        let expected = Self.specimen(.memory, &random)
        let fixture = try Fixture()
        let root = try fixture.store.add("a", expected, kind: .memory)
        let statistics = try fixture.reopened().forEachPiece(of: root) { _, _ in }
        let pages = Set(stride(from: 0, to: expected.count, by: 4096).map { Array(expected[$0...].prefix(4096)) })
        // Sixteen different pages to a frame, but for the last one; pages of zeros are in none.
        #expect(statistics.frames == UInt64(pages.count - 1 + 15) / 16)
        #expect(statistics.bytes > UInt64(expected.count) * 8 / 10)
    }

    @Test func restoresToFiles() throws {
        var random = Random(3)
        let expected = [UInt8](repeating: 0, count: 300_000) + Self.specimen(.disk, &random)
        let fixture = try Fixture()
        let root = try fixture.store.add("a", expected)
        let path = "\(fixture.directory.path)/disk.raw"
        // What was there before is gone.
        try overwrite(path, [UInt8](repeating: 7, count: expected.count + 5))
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        defer { close(descriptor) }
        try fixture.store.restore(root, toDescriptor: descriptor, name: path)
        #expect(try contents(of: path) == expected)
        var status = stat()
        #expect(fstat(descriptor, &status) == 0)
        #expect(status.st_blocks * 512 < expected.count - 4 * 65_536 + 8192)
        // Into a file: around it nothing changes.
        try overwrite(path, [UInt8](repeating: 7, count: expected.count + 200))
        try fixture.store.restore(root, toDescriptor: descriptor, at: 100, name: path)
        let edge = [UInt8](repeating: 7, count: 100)
        #expect(try contents(of: path) == edge + expected + edge)
    }

    @Test func reportsAFileThatCannotBeWritten() throws {
        let fixture = try Fixture()
        let root = try fixture.store.add("a", [UInt8](repeating: 9, count: 1_000_000))
        let descriptor = open("/dev/full", O_WRONLY | O_CLOEXEC)
        defer { close(descriptor) }
        let error = #expect(throws: StoreError.self) {
            try fixture.store.restore(root, toDescriptor: descriptor, name: "/dev/full")
        }
        #expect(error?.code == .noSpace)
        #expect(error?.path == "/dev/full")
    }

    @Test func anErrorOfTheBodyEndsIt() throws {
        struct Enough: Error {}
        let fixture = try Fixture()
        var random = Random(4)
        let root = try fixture.store.add("a", random.bytes(5_000_000))
        let calls = Atomic<Int>(0)
        #expect(throws: Enough.self) {
            try fixture.store.forEachPiece(of: root) { _, _ in
                if calls.wrappingAdd(1, ordering: .relaxed).newValue >= 3 { throw Enough() }
            }
        }
        #expect(calls.load(ordering: .relaxed) < 60)
    }

    @Test func rangesOutsideOfTheTreeAreRefused() throws {
        let fixture = try Fixture()
        let root = try fixture.store.add("a", [UInt8](repeating: 9, count: 1000))
        #expect(throws: StoreError.self) { try fixture.store.forEachPiece(of: root, in: 0..<1001) { _, _ in } }
        var memory = [UInt8](repeating: 0, count: 1001)
        _ = memory.withUnsafeMutableBytes { memory in
            #expect(throws: StoreError.self) { try fixture.store.fill(memory, from: root, isZeroed: true) }
        }
        #expect(try Self.bytes(fixture.store, root, in: 1000..<1000).isEmpty)
        let zeros = TreeRoot(kind: .disk, length: 1 << 40, digest: nil)
        #expect(try fixture.store.forEachPiece(of: zeros) { _, _ in } == BulkReadStatistics())
    }

    @Test(arguments: [Compression.none, .lz4, .zstd(level: 1)])
    func everyPathSeesEveryDamage(_ compression: Compression) throws {
        var random = Random(5)
        let disk = random.text(100_000) + random.bytes(150_000)
        let memory = random.text(40_000) + random.bytes(30_000)
        let fixture = try Fixture()
        let options = IngestOptions(compression: compression)
        let diskRoot = try fixture.store.add("disk", disk, options: options)
        let memoryRoot = try fixture.store.add("memory", memory, kind: .memory, options: options)
        var failures = 0
        for path in try fixture.store.files("packs") {
            let sound = try contents(of: path)
            for _ in 0..<60 {
                let position = Int(random.next() % UInt64(sound.count))
                var bytes = sound
                bytes[position] ^= 1 << UInt8(random.next() % 8)
                try overwrite(path, bytes)
                for (root, expected) in [(diskRoot, disk), (memoryRoot, memory)] {
                    let store = try fixture.reopened()
                    let whole = 0..<UInt64(expected.count)
                    let ways: [() throws -> [UInt8]] = [
                        { try Self.bytes(store, root, in: whole) },
                        {
                            var memory = [UInt8](repeating: 0, count: expected.count)
                            try memory.withUnsafeMutableBytes { _ = try store.fill($0, from: root, isZeroed: true) }
                            return memory
                        },
                        { try store.bytes(root) },
                        {
                            // In small pieces, through the cache.
                            try stride(from: 0, to: expected.count, by: 1000).flatMap {
                                try store.read(root, at: UInt64($0), count: min(1000, expected.count - $0))
                            }
                        },
                    ]
                    var failed = 0
                    for (number, way) in ways.enumerated() {
                        do {
                            #expect(try way() == expected)
                        } catch let error as StoreError {
                            #expect([.damaged, .notFound].contains(error.code))
                            failed += 1
                        }
                        // Both bulk reads see the same. (One that reads parts need not see damage to bytes that it does not want.)
                        if number == 1 { #expect(failed == 0 || failed == 2) }
                    }
                    failures += failed
                }
            }
            try overwrite(path, sound)
        }
        #expect(failures > 150)
    }

    @Test func aSecondCopyIsReadInstead() throws {
        var random = Random(6)
        let fixture = try Fixture()
        let expected = random.text(500_000)
        let root = try fixture.store.add("a", expected, kind: .memory, options: IngestOptions(compression: .lz4))
        let first = try #require(try fixture.store.files("packs").first)
        // The same objects once more, in a pack of another codec, as if stored by a process that did not know of the first.
        let second = try Fixture()
        _ = try second.store.add("a", expected, kind: .memory, options: IngestOptions(compression: .none))
        let copy = try #require(try second.store.files("packs").first)
        let name = try #require(copy.split(separator: "/").last)
        try overwrite("\(fixture.store.path)/packs/\(name)", contents(of: copy))
        for damaged in [first, "\(fixture.store.path)/packs/\(name)"] {
            let sound = try contents(of: damaged)
            var bytes = sound
            for position in stride(from: 0, to: bytes.count, by: 500) { bytes[position] ^= 0x10 }
            try overwrite(damaged, bytes)
            let store = try fixture.reopened()
            #expect(try Self.bytes(store, root, in: 0..<root.length) == expected)
            try overwrite(damaged, sound)
        }
    }

    @Test func manyThreadsAtOnce() async throws {
        var random = Random(7)
        let disk = Self.specimen(.disk, &random)
        let memory = Self.specimen(.memory, &random)
        let fixture = try Fixture()
        let options = IngestOptions(compression: .zstd(level: 1))
        let diskRoot = try fixture.store.add("disk", disk, options: options)
        let memoryRoot = try fixture.store.add("memory", memory, kind: .memory, options: options)
        let store = try fixture.reopened()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for seed in 0..<8 {
                group.addTask {
                    var random = Random(100 + UInt64(seed))
                    for (root, expected) in [(diskRoot, disk), (memoryRoot, memory)] {
                        for _ in 0..<100 {
                            let start = Int(random.next() % UInt64(expected.count))
                            let count = min(Int(random.next() % 300_000), expected.count - start)
                            let read = try store.read(root, at: UInt64(start), count: count)
                            #expect(read == Array(expected[start..<start + count]))
                        }
                        #expect(try Self.bytes(store, root, in: 0..<root.length) == expected)
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}
