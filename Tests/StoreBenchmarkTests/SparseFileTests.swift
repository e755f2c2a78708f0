import Foundation
import StoreBenchmark
import Testing

@Suite struct SparseFileTests {
    private func scratch() throws -> String {
        let path = FileManager.default.temporaryDirectory.path + "/stemma-bench-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    @Test func sparseFilesAreComparedAndReadWithoutTheirHoles() throws {
        let scratch = try scratch()
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        func make(_ name: String, size: off_t, _ parts: [(UInt64, String)]) throws -> String {
            let path = scratch + "/" + name
            #expect(FileManager.default.createFile(atPath: path, contents: nil))
            #expect(truncate(path, size) == 0)
            let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
            for (offset, text) in parts {
                try file.seek(toOffset: offset)
                try file.write(contentsOf: Data(text.utf8))
            }
            try file.close()
            return path
        }
        let one = try make("one", size: 10 << 20, [(5 << 20, "text")])
        let same = try make("same", size: 10 << 20, [(5 << 20, "text"), (1 << 20, "\0\0\0")])
        let other = try make("other", size: 10 << 20, [(5 << 20, "text"), (1 << 20, "x")])
        let long = try make("long", size: 11 << 20, [(5 << 20, "text")])
        #expect(try SparseFile.haveEqualBytes(one, same))
        #expect(try SparseFile.haveEqualBytes(same, one))
        #expect(try !SparseFile.haveEqualBytes(one, other))
        #expect(try !SparseFile.haveEqualBytes(other, one))
        #expect(try !SparseFile.haveEqualBytes(one, long))
        var bytes = 0
        try SparseFile(path: one).forEachDataRange { bytes += $1.count }
        #expect(bytes > 0 && bytes < 1 << 20)
    }

    @Test func piecesAreChosenWithinTheDataAndAlwaysAlike() {
        let ranges: [Range<UInt64>] = [4096..<200_000, 1_000_000..<1_020_000, 2_097_152..<2_228_224]
        var (one, other) = (DataPieces(ranges, seed: 3), DataPieces(ranges, seed: 3))
        #expect(one.count == 4)
        let chosen = one.choose(3)
        #expect(chosen == other.choose(3))
        #expect(Set(chosen).count == 3)
        for start in chosen {
            #expect(start.isMultiple(of: DataPieces.size))
            #expect(ranges.contains { $0.contains(start) && $0.upperBound >= start + DataPieces.size })
        }
        #expect(one.choose(100).count == 4)
        #expect(one.source(limit: 3 << 20) % 512 == 0)
    }
}
