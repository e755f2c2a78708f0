import BlockService
import Foundation
import Testing

/// Decoded chunks and the reading ahead.
@Suite struct CachedSourceTests {
    @Test(arguments: [UInt64(1), 2]) func randomReadsGetTheDisksBytes(_ seed: UInt64) async throws {
        let base = MemorySource.sparse(blocks: 100, seed: seed)
        let cached = CachedSource(base, capacity: 1 << 20)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for thread in UInt64(0)..<4 {
                group.addTask {
                    var random = SeededGenerator(seed: seed &* 10 &+ thread)
                    var position = 0
                    for _ in 0..<400 {
                        let longest = [100, 5000, 70_000, 300_000].randomElement(using: &random) ?? 1
                        let count = Int.random(in: 0..<min(longest, base.bytes.count), using: &random)
                        // Forward in half of the cases.
                        let start =
                            Bool.random(using: &random) && position + count <= base.bytes.count
                            ? position : Int.random(in: 0...base.bytes.count - count, using: &random)
                        position = start + count
                        var bytes = [UInt8](repeating: 0xee, count: count)
                        let isReady = try bytes.withUnsafeMutableBytes {
                            try cached.readIfReady(at: UInt64(start), into: $0)
                        }
                        if !isReady { bytes = try cached.bytes(at: UInt64(start), count: count) }
                        #expect(bytes[...] == base.bytes[start..<start + count])
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    /// Waits until the reading ahead has nothing more to do.
    private func settle(_ cached: CachedSource) async throws {
        var last = -1
        while cached.statistics.chunksAhead != last {
            last = cached.statistics.chunksAhead
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    @Test func readersThatGoForwardFindTheirChunks() async throws {
        let base = MemorySource.sparse(blocks: 200)
        let cached = CachedSource(base)
        // Three at a time, 16 KiB each, at different places.
        for step in 0..<64 {
            for start in [0, 4 << 20, 9 << 20] {
                _ = try cached.bytes(at: UInt64(start + step * 16_384), count: 16_384)
            }
            if step % 4 == 3 { try await settle(cached) }
        }
        let statistics = cached.statistics
        // The first chunk of each is decoded for its first read.
        #expect(statistics.missed <= 6)
        #expect(statistics.ready + statistics.waited + statistics.missed == 3 * 64)
        #expect(statistics.chunksAheadUsed > 30)
    }

    @Test func randomReadersAreLeftAlone() async throws {
        let base = MemorySource.sparse(blocks: 200)
        let cached = CachedSource(base)
        for step in 0..<50 { _ = try cached.bytes(at: UInt64(step * 37 % 50) * 262_144, count: 4096) }
        try await settle(cached)
        #expect(cached.statistics.chunksAhead <= 4)
    }

    @Test func whatIsAskedForTwiceIsKept() throws {
        let base = MemorySource.sparse(blocks: 200)
        let cached = CachedSource(base)
        for round in 0..<3 {
            // Far from one another, so that nobody goes forward.
            for step in 0..<20 { _ = try cached.bytes(at: UInt64(step * 7 % 20) * 524_288 + 200_000, count: 4096) }
            #expect(cached.statistics.missed == min(40, (round + 1) * 20))
        }
        #expect(cached.statistics.ready == 20)
    }

    @Test func preparedRangesAreReady() throws {
        let base = MemorySource.sparse(blocks: 40)
        let cached = CachedSource(base)
        try cached.prepare(from: 100_000, length: 700_000)
        let reads = base.readCount
        // Backwards: who goes forward is read ahead for, at a time of its own.
        for offset in stride(from: UInt64(100_000), to: 790_000, by: 9000).reversed() {
            var bytes = [UInt8](repeating: 0, count: 9000)
            #expect(try bytes.withUnsafeMutableBytes { try cached.readIfReady(at: offset, into: $0) })
        }
        #expect(base.readCount == reads)
    }

    @Test func failuresReachWhoReads() async throws {
        let base = MemorySource(MemorySource.sparse(blocks: 40).bytes, broken: 300_000..<300_001)
        let cached = CachedSource(base)
        // Goes forward up to the broken chunk, which the reading ahead meets first.
        for offset in stride(from: UInt64(131_072), to: 262_144, by: 8192) {
            _ = try cached.bytes(at: offset, count: 8192)
        }
        try await settle(cached)
        #expect(throws: MemorySource.Broken.self) { _ = try cached.bytes(at: 299_000, count: 2000) }
        _ = try cached.bytes(at: 400_000, count: 2000)
    }

    @Test func memoryIsBounded() throws {
        let base = MemorySource.sparse(blocks: 400)
        let cached = CachedSource(base, capacity: 8 << 16, threads: 0)
        for offset in stride(from: base.size % 8192, to: base.size, by: 32_768) {
            _ = try cached.bytes(at: offset, count: 4096)
        }
        let reads = base.readCount
        // The first ones were pushed out, the last ones are there.
        var bytes = [UInt8](repeating: 0, count: 4096)
        #expect(try !bytes.withUnsafeMutableBytes { try cached.readIfReady(at: 131_072, into: $0) })
        #expect(try bytes.withUnsafeMutableBytes { try cached.readIfReady(at: base.size - 32_768, into: $0) })
        #expect(base.readCount == reads)
    }
}
