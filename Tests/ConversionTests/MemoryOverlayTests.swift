import Conversion
import Foundation
import GuestInspection
import Testing
import VMState

/// Edits of guest RAM, and fixes that make them.
@Suite struct MemoryOverlayTests {
    private let base = ClosureMemory(pages: [0..<4, 8..<9]) { page, buffer in
        guard page != 2 else { return false }
        buffer.initializeMemory(as: UInt8.self, repeating: UInt8(page))
        return true
    }

    @Test func writesCrossPagesAndLeaveTheBaseAlone() throws {
        var memory = MemoryOverlay(base)
        try memory.write([0xaa, 0xbb, 0xcc, 0xdd], at: 0x1ffe, subject: "a test")
        #expect(try memory.bytes(at: 0x1ffc, count: 8) == [1, 1, 0xaa, 0xbb, 0xcc, 0xdd, 0, 0])
        #expect(memory.changedPages.keys.sorted() == [1, 2])
        #expect(
            memory.changes == [
                MemoryChange(
                    address: 0x1ffe, subject: "a test", before: [1, 1, 0, 0], after: [0xaa, 0xbb, 0xcc, 0xdd])
            ])
        #expect(try base.bytes(at: 0x1ffc, count: 8) == [1, 1, 1, 1, 0, 0, 0, 0])
        let copy = memory
        try memory.write(UInt32(0x0102_0304), at: 0x8000, subject: "an integer")
        #expect(try memory.integer(at: 0x8000, as: UInt32.self) == 0x0102_0304)
        #expect(try memory.bytes(at: 0x8000, count: 5) == [4, 3, 2, 1, 8])
        #expect(copy.changedPages[8] == nil)
    }

    @Test func whatIsThereAlreadyIsNoChange() throws {
        var memory = MemoryOverlay(base)
        try memory.write([3, 3], at: 0x3000, subject: "the same")
        #expect(memory.changes.isEmpty && memory.changedPages.isEmpty)
    }

    @Test func writesOutsideOfMemoryAreErrors() throws {
        var memory = MemoryOverlay(base)
        let error = #expect(throws: GuestMemoryError.self) {
            try memory.write([1, 2], at: 0x3fff, subject: "beyond the end of a run")
        }
        #expect(error == GuestMemoryError(.notMemory, address: 0x4000))
        #expect(memory.changes.isEmpty && memory.changedPages.isEmpty)
        #expect(throws: GuestMemoryError.self) { try memory.bytes(at: .max, count: 16) }
    }

    @Test func changesGoThroughJSON() throws {
        let change = MemoryChange(address: 0xfee0_0300, subject: "x", before: [0, 0x0f], after: [0xf0, 0xff])
        let data = try JSONEncoder().encode(change)
        #expect(String(decoding: data, as: UTF8.self).contains(#""after":"f0ff""#))
        #expect(try JSONDecoder().decode(MemoryChange.self, from: data) == change)
        for bad in [#""f0f""#, #""zz""#] {
            let text = #"{"address":"0x1","subject":"","before":"","after":\#(bad)}"#
            #expect(throws: DecodingError.self) { try JSONDecoder().decode(MemoryChange.self, from: Data(text.utf8)) }
        }
    }

    /// Finds a byte in RAM, and its fix clears it and a field of the stream.
    private struct ByteCheck: SnapshotCheck {
        let id = "T01"
        let title = "A byte"
        var fix: String? { ByteFix.id }

        func run(_ context: CheckContext) -> [Finding] {
            guard (try? context.memory?.bytes(at: 0x3000, count: 1)) == [3] else { return [] }
            return [finding(.fixable, "A byte is set", evidence: [], effect: "", remedy: "")]
        }
    }

    private struct ByteFix: SnapshotFix {
        static let id = "clear-byte"
        var refusal: String?

        func apply(to snapshot: inout EditableSnapshot, context: CheckContext) throws -> [StreamChange] {
            try snapshot.memory.write([0], at: 0x3000, subject: "the byte")
            if let refusal { throw FixRefusal(refusal) }
            return []
        }
    }

    private func convert(_ fix: ByteFix) throws -> SnapshotConverter.Result {
        let (stream, _) = try KVMLikeStream.make(.pc)
        var context = try KVMLikeStream.context(stream)
        context.memory = base
        return try SnapshotConverter(checks: [ByteCheck()], streamFixes: [:], snapshotFixes: [ByteFix.id: fix])
            .convert(context, policy: ConversionPolicy(rules: [:]))
    }

    @Test func aFixEditsMemoryAndItsChangesAreRecorded() throws {
        let result = try convert(ByteFix())
        #expect(
            result.fixes.map(\.memory) == [
                [MemoryChange(address: 0x3000, subject: "the byte", before: [3], after: [0])]
            ])
        #expect(result.changedPages.keys.sorted() == [3])
        #expect(result.changedPages[3]?.prefix(2) == [0, 3])
        #expect(result.after.exitCode == 0)
    }

    @Test func aRefusalNamesTheFixAndTheReason() throws {
        let error = #expect(throws: ConversionError.self) { try convert(ByteFix(refusal: "the byte is holy")) }
        #expect(error?.code == .refused)
        #expect(error?.message.contains("clear-byte") == true && error?.message.contains("holy") == true)
    }
}
