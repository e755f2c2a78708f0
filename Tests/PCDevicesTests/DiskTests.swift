import PCDevices
import Testing

@Suite struct DiskTests {
    private func bytes(_ disk: Disk, _ range: Range<UInt64>) throws -> [UInt8] {
        var list = [UInt8](repeating: 0xAA, count: range.count)
        try list.withUnsafeMutableBytes { try disk.read(at: range.lowerBound, into: $0) }
        return list
    }

    private func write(_ bytes: [UInt8], to disk: inout Disk, at offset: UInt64) throws {
        try bytes.withUnsafeBytes { try disk.write(at: offset, from: $0) }
    }

    /// Random writes and clears against an array, with forks that must not notice.
    @Test func behavesAsAnArray() throws {
        var state: UInt64 = 42
        func random(_ bound: UInt64) -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 33) % bound
        }
        let size: UInt64 = (1 << 20) - 512
        var disk = Disk(PatternStorage(byteCount: size))
        var model = PatternStorage.bytes(0..<size)
        let fork = disk
        for step in 0..<200 {
            let offset = random(size)
            let count = min(random(20_000) + 1, size - offset)
            let range = Int(offset)..<Int(offset + count)
            if step % 4 == 3 {
                try disk.clear(at: offset, count: count)
                model.replaceSubrange(range, with: repeatElement(0, count: range.count))
            } else {
                let data = (0..<range.count).map { UInt8(truncatingIfNeeded: $0 &+ step) }
                try write(data, to: &disk, at: offset)
                model.replaceSubrange(range, with: data)
            }
            let start = random(size)
            let end = min(start + random(30_000), size)
            #expect(try bytes(disk, start..<end) == Array(model[Int(start)..<Int(end)]))
        }
        #expect(try bytes(disk, 0..<size) == model)
        #expect(try bytes(fork, 0..<size) == PatternStorage.bytes(0..<size))
        // What was written, laid over the base, is the disk.
        var rebuilt = PatternStorage.bytes(0..<size)
        disk.forEachWrittenRange { offset, count, contents in
            let range = Int(offset)..<Int(offset + count)
            rebuilt.replaceSubrange(range, with: contents ?? [UInt8](repeating: 0, count: range.count))
        }
        #expect(rebuilt == model)
    }

    @Test func forksShareWhatNeitherHasWritten() throws {
        var first = Disk(PatternStorage())
        try write([1, 2, 3], to: &first, at: 5000)
        var second = first
        try write([9], to: &second, at: 5001)
        try write([7], to: &first, at: 900_000)
        #expect(try bytes(first, 5000..<5003) == [1, 2, 3])
        #expect(try bytes(second, 5000..<5003) == [1, 9, 3])
        #expect(try bytes(second, 900_000..<900_001) == PatternStorage.bytes(900_000..<900_001))
        var count = 0
        second.forEachWrittenRange { offset, byteCount, contents in
            #expect(offset == 4096)
            #expect(byteCount == 4096)
            #expect(contents?.count == 4096)
            count += 1
        }
        #expect(count == 1)
    }

    @Test func accessesBeyondTheEndFail() throws {
        var disk = Disk(PatternStorage())
        #expect(throws: DeviceError.self) { try bytes(disk, (1 << 20) - 1..<(1 << 20) + 1) }
        #expect(throws: DeviceError.self) { try write([1], to: &disk, at: 1 << 20) }
        #expect(throws: DeviceError.self) { try disk.clear(at: UInt64.max, count: 2) }
        #expect(throws: Never.self) { try disk.clear(at: 1 << 20, count: 0) }
    }

    @Test func aHugeDiskIsReachable() throws {
        var disk = Disk(PatternStorage(byteCount: 1 << 50))
        try write([1, 2, 3], to: &disk, at: (1 << 50) - 3)
        #expect(
            try bytes(disk, (1 << 50) - 4..<1 << 50) == PatternStorage.bytes((1 << 50) - 4..<(1 << 50) - 3) + [1, 2, 3])
    }

    @Test func aHugeRangeOfZerosIsSmall() throws {
        var disk = Disk(PatternStorage(byteCount: 1 << 42))
        let range: Range<UInt64> = 4097..<(1 << 42) - 513
        try disk.clear(at: range.lowerBound, count: UInt64(range.count))
        #expect(try bytes(disk, 4096..<4100) == PatternStorage.bytes(4096..<4097) + [0, 0, 0])
        let end: UInt64 = 1 << 42
        #expect(try bytes(disk, end - 514..<end - 511) == [0] + PatternStorage.bytes(end - 513..<end - 511))
        try write([5], to: &disk, at: 1 << 40)
        #expect(try bytes(disk, (1 << 40) - 1..<(1 << 40) + 2) == [0, 5, 0])
        var ranges = 0
        var total: UInt64 = 0
        disk.forEachWrittenRange { _, count, _ in
            ranges += 1
            total += count
        }
        // All but the first cluster; a few hundred subtrees.
        #expect(total == end - 4096)
        #expect(ranges < 2000)
    }
}
