import Conversion
import GuestInspection
import Testing
import VMState

@Suite struct SnapshotMemoryTests {
    @Test func theScannerFindsARecordInASnapshot() throws {
        var (stream, pages) = try KVMLikeStream.make(.pcTwoCPUs)
        let text = "kvm-guest: setup PV IPIs"
        let record = [0x68, 0xf0, 0xff, 0xff, 0, 0, 0, 0] + Array(text.utf8) + Array("Is\n".utf8)
        // Across the border of two pages, and in the ROM block, which is no memory of the kernel's.
        var first = [UInt8](repeating: 0, count: 4096)
        var second = first
        first.replaceSubrange(4080..<4096, with: record[..<16])
        second.replaceSubrange(..<(record.count - 16), with: record[16...])
        pages.set("pc.ram", page: 0x500, to: first)
        pages.set("pc.ram", page: 0x501, to: second)
        pages.set("pc.rom", page: 0, to: [UInt8](repeating: 0, count: 64) + record + [UInt8](repeating: 0, count: 3997))
        let table = pages
        let memory = try SnapshotMemory(stream) { block, page, buffer in
            table.page(block: block, page: page, into: buffer)
        }
        #expect(memory.pages.first?.lowerBound == 0)
        #expect(memory.pages.last?.upperBound == 32 << 8)
        let found = try KernelLogScanner().scan(memory)
        #expect(found.map(\.kind) == [.record])
        #expect(found.first?.address == 0x50_0ff8)
        let report = try SnapshotConverter().check(
            KVMLikeStream.context(stream, log: found), policy: .standard)
        #expect(report.severity(of: "C21") == .fatal)

        stream.ram.blocks.removeAll()
        #expect(throws: VMStateError.self) { try SnapshotMemory(stream) { _, _, _ in .zero } }
    }
}
