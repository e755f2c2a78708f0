import GuestInspection
import Testing

/// Walks of page tables that are written by hand.
@Suite struct PageTableTests {
    /// Memory of 64 pages with some entries of tables: (address of the table, index, entry).
    private func memory(_ entries: [(UInt64, Int, UInt64)]) -> ClosureMemory {
        var bytes = [UInt8](repeating: 0, count: 64 * 4096)
        for (table, index, entry) in entries {
            for place in 0..<8 {
                bytes[Int(table) + 8 * index + place] = UInt8(truncatingIfNeeded: entry >> UInt64(8 * place))
            }
        }
        return ClosureMemory(pages: [0..<64]) { [bytes] page, buffer in
            buffer.copyBytes(from: bytes[Int(page) * 4096..<Int(page + 1) * 4096])
            return true
        }
    }

    private let noExecute: UInt64 = 1 << 63

    @Test func fourLevelsWithAllPageSizes() throws {
        let memory = memory([
            (0x1000, 511, 0x2003), (0x2000, 510, 0x3003), (0x3000, 0, 0x60_0083 | noExecute), (0x3000, 1, 0x4001),
            (0x4000, 3, 0x2_a003), (0x1000, 256, 0x5003), (0x5000, 2, 0x8000_0083),
        ])
        let tables = PageTables(memory: memory, root: 0x1000, levels: 4)
        // 2 MiB, writable, not executable.
        let large = try #require(try tables.translate(0xffff_ffff_8012_3456))
        #expect(large.address == 0x72_3456 && large.pageSize == 2 << 20)
        #expect(large.isWritable && !large.isExecutable)
        #expect(large.entryAddress == 0x3000)
        // 4 KiB; a level that forbids writing.
        let small = try #require(try tables.translate(0xffff_ffff_8020_3abc))
        #expect(small.address == 0x2_aabc && small.pageSize == 4096)
        #expect(!small.isWritable && small.isExecutable)
        // 1 GiB.
        #expect(try tables.translate(0xffff_8000_8000_0010)?.address == 0x8000_0010)
        // Nothing, and no canonical address.
        #expect(try tables.translate(0xffff_ffff_8020_4000) == nil)
        #expect(try tables.translate(0x0000_8000_0000_0000) == nil)
        let runs = try tables.runs(in: 0xffff_ffff_8000_0000..<0xffff_ffff_c000_0000)
        #expect(runs.map(\.address) == [0xffff_ffff_8000_0000, 0xffff_ffff_8020_3000])
        #expect(runs.map(\.length) == [2 << 20, 4096])
    }

    @Test func fiveLevels() throws {
        let memory = memory([
            (0x1000, 511, 0x2003), (0x2000, 511, 0x3003), (0x3000, 510, 0x4003), (0x4000, 0, 0x20_0083),
        ])
        let tables = PageTables(memory: memory, root: 0x1000, levels: 5)
        #expect(try tables.translate(0xffff_ffff_8000_0042)?.address == 0x20_0042)
        #expect(try tables.runs(in: 0xffff_ffff_8000_0000..<0xffff_ffff_c000_0000).map(\.physical) == [0x20_0000])
        #expect(try tables.translate(0x0100_0000_0000_0000) == nil)
    }

    @Test func bytesAcrossPages() throws {
        let memory = memory([
            (0x1000, 0, 0x2003), (0x2000, 0, 0x3003), (0x3000, 0, 0x4003), (0x4000, 1, 0xa003), (0x4000, 2, 0x9003),
            (0xa000, 511, 0x1122_3344_5566_7788), (0x9000, 0, 0x99aa),
        ])
        let tables = PageTables(memory: memory, root: 0x1000, levels: 4)
        #expect(try tables.integer(at: 0x1ffc, as: UInt64.self) == 0x0000_99aa_1122_3344)
        #expect(try tables.pieces(at: 0x1ffe, count: 4).map(\.physical) == [0xaffe, 0x9000])
        #expect(throws: GuestMemoryError(.notMapped, address: 0x3000)) { try tables.bytes(at: 0x2ff0, count: 32) }
    }

    @Test func tablesThatPointToThemselvesOrNowhereEnd() throws {
        let memory = memory([
            (0x1000, 0, 0x1003), (0x1000, 1, 0xffff_ffff_f003), (0x1000, 511, 0x1003), (0x1000, 510, 0x1003),
        ])
        let tables = PageTables(memory: memory, root: 0x1000, levels: 4)
        #expect(try tables.translate(0x0000_0080_0000_0000) == nil)
        let runs = try tables.runs(in: 0..<UInt64.max, limit: 10_000)
        #expect(runs.count < 10_000)
        #expect(try PageTables(memory: memory, root: 0x7000_0000, levels: 4).translate(0x1000) == nil)
    }
}
