import BlockService
import Testing

/// Arbitrary bytes as a client's side of the protocol: nothing traps, nothing is touched outside the disk.
@Suite struct FuzzingTests {
    @Test(arguments: [UInt64(1), 2, 3]) func damagedConversations(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let disk = WritableDisk(size: 1 << 16)
        let exports = [
            NBDExport(name: "disk", writable: disk), NBDExport(name: "other", source: MemorySource([1, 2, 3])),
        ]
        for _ in 0..<1000 {
            var bytes = bigEndian(UInt32(3))
            for _ in 0..<Int.random(in: 0..<5, using: &random) {
                bytes += option(
                    UInt32.random(in: 0..<12, using: &random), random.bytes(Int.random(in: 0..<60, using: &random)))
            }
            bytes += option(8, []) + option(10, string("disk") + bigEndian(UInt32(1)) + string("base:allocation"))
            bytes += option(7, string("disk") + [0, 0])
            for _ in 0..<Int.random(in: 0..<20, using: &random) { bytes += request(&random) }
            for _ in 0..<Int.random(in: 0..<4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            let cut = Bool.random(using: &random) ? bytes.count : Int.random(in: 0...bytes.count, using: &random)
            let sent = try bytes[..<cut].withUnsafeBytes { try NBDFuzzing.run($0, exports: exports) }
            #expect(sent >= 18)
        }
        #expect(!disk.calls.isEmpty)
    }

    @Test func wholeConversationIsAnswered() throws {
        let disk = WritableDisk(size: 1 << 16)
        let write =
            bigEndian(UInt32(0x2560_9513)) + bigEndian(UInt16(1)) + bigEndian(UInt16(1)) + bigEndian(UInt64(1))
            + bigEndian(UInt64(100)) + bigEndian(UInt32(200_000 >> 2)) + [UInt8](repeating: 5, count: 50_000)
        let bytes = bigEndian(UInt32(3)) + option(7, string("disk") + [0, 0]) + write
        let sent = try bytes.withUnsafeBytes {
            try NBDFuzzing.run($0, exports: [NBDExport(name: "disk", writable: disk)])
        }
        // Greeting; EXPORT and ACK; one simple reply.
        #expect(sent == 18 + 32 + 20 + 16)
        #expect(disk.calls == [.write(100, 50_000), .flush])
        // One byte less, and nothing is written.
        _ = try bytes.dropLast().withUnsafeBytes {
            try NBDFuzzing.run($0, exports: [NBDExport(name: "disk", writable: disk)])
        }
        #expect(disk.calls.count == 2)
    }

    private func option(_ number: UInt32, _ data: [UInt8]) -> [UInt8] {
        Array("IHAVEOPT".utf8) + bigEndian(number) + bigEndian(UInt32(data.count)) + data
    }

    private func request(_ random: inout SeededGenerator) -> [UInt8] {
        let type = UInt16.random(in: 0..<9, using: &random)
        let offsets: [UInt64] = [0, 1, 4095, 65_535, 65_536, .max, 1 << 63, .max - 511]
        let lengths: [UInt32] = [0, 1, 512, 4096, 65_536, 65_537, (32 << 20) + 1, .max]
        let length = lengths.randomElement(using: &random) ?? 0
        let header =
            bigEndian(UInt32(0x2560_9513)) + bigEndian(UInt16.random(in: 0..<32, using: &random)) + bigEndian(type)
            + bigEndian(random.next()) + bigEndian(offsets.randomElement(using: &random) ?? 0) + bigEndian(length)
        return type == 1 ? header + random.bytes(Int(min(length, 70_000))) : header
    }
}
