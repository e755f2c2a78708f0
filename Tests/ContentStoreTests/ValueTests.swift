import ContentStore
import Testing

/// Digests, times, checksums, and how indexes are kept few.
@Suite struct ValueTests {
    @Test func digests() throws {
        // FIPS 180-4, the example of "abc".
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        let digest = Digest(of: Array("abc".utf8))
        #expect(digest.hex == hex)
        #expect(digest.description == hex)
        #expect(digest.short == "ba7816bf8f01")
        #expect(Digest(hex: hex) == digest)
        #expect(Digest(hex: hex.uppercased()) == digest)
        #expect(Digest(bytes: digest.bytes) == digest)
        #expect(digest.bytes.count == 32)
        for bad in ["", String(hex.dropLast()), hex + "0", "g" + hex.dropFirst()] { #expect(Digest(hex: bad) == nil) }
        #expect(Digest(bytes: [1, 2]) == nil)
        #expect(Digest(bytes: [UInt8](repeating: 0, count: 33)) == nil)
    }

    @Test func digestsAreOrderedAsTheirBytes() {
        var random = Random(110)
        for _ in 0..<200 {
            var left = random.bytes(32)
            let right = random.bytes(32)
            if Bool.random(using: &random) { left = Array(right.prefix(Int(random.next() % 32))) + left.suffix(32) }
            let pair = (Digest(bytes: left.prefix(32)), Digest(bytes: right))
            if let first = pair.0, let second = pair.1 {
                #expect((first < second) == left.prefix(32).lexicographicallyPrecedes(right))
            }
        }
    }

    @Test func checksums() {
        // RFC 3720, appendix B.4.
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(CRC32C.checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(CRC32C.checksum((0..<32).map { UInt8($0) }) == 0x46DD_794E)
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xE306_9283)
        // Long inputs take another way, which has to give what short ones give.
        var random = Random(111)
        let bytes = random.bytes(10_007)
        var bytewise: UInt32 = 0
        for byte in bytes { bytewise = CRC32C.checksum([byte], continuing: bytewise) }
        #expect(CRC32C.checksum(bytes) == bytewise)
        for cut in [1, 8, 1000, 3072, 5000] {
            let first = CRC32C.checksum(Array(bytes[..<cut]))
            #expect(CRC32C.checksum(Array(bytes[cut...]), continuing: first) == bytewise)
        }
    }

    @Test func times() {
        #expect(Timestamp(seconds: 0).iso8601 == "1970-01-01T00:00:00Z")
        #expect(Timestamp(seconds: -1).iso8601 == "1969-12-31T23:59:59Z")
        #expect(Timestamp(seconds: 951_782_400).iso8601 == "2000-02-29T00:00:00Z")
        #expect(Timestamp(seconds: 4_102_444_799).iso8601 == "2099-12-31T23:59:59Z")
        #expect(!Timestamp(seconds: .min).iso8601.isEmpty)
        #expect(Timestamp(seconds: 1, nanoseconds: 5) < Timestamp(seconds: 1, nanoseconds: 6))
        #expect(Timestamp.now() > Timestamp(seconds: 1_700_000_000))
    }

    @Test func indexesAreMerged() throws {
        let fixture = try Fixture()
        var roots: [(TreeRoot, [UInt8])] = []
        for number in 0..<40 {
            var random = Random(UInt64(200 + number))
            let bytes = random.bytes(10_000)
            roots.append((try fixture.store.add("r\(number)", bytes, kind: .memory), bytes))
        }
        let statistics = try fixture.store.statistics()
        #expect(statistics.packs == 40)
        #expect(statistics.indexes <= 8)
        #expect(try fixture.store.files("indexes").count == statistics.indexes)
        #expect(statistics.refs == 40)
        #expect(statistics.operations == 40)
        let store = try fixture.reopened()
        for (root, bytes) in roots { #expect(try store.bytes(root) == bytes) }
        #expect(try store.verify(level: .deep).damage.isEmpty)
    }

    @Test func errorsSayWhatToDo() throws {
        let directory = try TemporaryDirectory()
        do {
            _ = try ContentStore.open(at: "\(directory.path)/none", createIfMissing: false)
            Issue.record("there is no store")
        } catch {
            #expect(error.description.contains("create one"))
            #expect(error.description.contains("\(directory.path)/none"))
        }
    }
}
