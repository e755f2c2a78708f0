import Foundation
import Testing
import VMState

/// Streams whose pages lie at fixed places of the file (capability `mapped-ram`, QEMU 9.0 and later), made by hand of streams
/// that the installed QEMU writes. `NewerQEMUTests` reads those of a real one.
@Suite struct MappedRAMTests {
    /// A stream in the mapped form, as it stands in a file behind `before` other bytes.
    struct Mapped {
        var bytes: [UInt8] = []
        /// Offset of the first block's header.
        var header = 0
        /// Offset of the first block's pages.
        var pages = 0

        init(_ stream: MigrationStream, _ table: RAMPageTable, before: Int = 0) throws {
            let skeleton = try stream.skeleton()
            // The configuration, with the capability behind the machine's name.
            let nameLength = Int(skeleton[12])
            bytes += skeleton[..<(13 + nameLength)]
            bytes += [5] + Self.text("configuration/capabilities") + Self.number(UInt32(1)) + Self.number(UInt32(1))
            bytes += Self.text("mapped-ram")
            var rest = Array(skeleton[(13 + nameLength)...])
            // The list of blocks: START section "ram", instance, version, total, blocks.
            let mark = Self.text("ram")
            let place = try #require(
                rest.indices.first { rest[$0] == 1 && Array(rest[($0 + 5)...].prefix(4)) == mark })
            let list = place + 9 + 8 + 8
            bytes += rest[..<list]
            rest.removeFirst(list)
            let contents = table.nonZero
            for block in stream.ram.blocks {
                bytes += Self.text(block.idstr) + Self.number(block.usedLength)
                rest.removeFirst(1 + block.idstr.utf8.count + 8)
                if header == 0 { header = bytes.count }
                let start = before + bytes.count + 28
                let pageCount = Int(block.usedLength / 4096)
                let bitmapSize = (pageCount + 63) / 64 * 8
                let pagesStart = ((start + bitmapSize + (1 << 20) - 1) >> 20) << 20
                bytes += Self.number(UInt32(1)) + Self.number(UInt64(4096)) + Self.number(UInt64(start))
                bytes += Self.number(UInt64(pagesStart))
                let bitmap = bytes.count
                bytes += [UInt8](repeating: 0, count: pagesStart - before - bytes.count)
                if pages == 0 { pages = bytes.count }
                let first = bytes.count
                bytes += [UInt8](repeating: 0, count: Int(block.usedLength))
                for (page, bytesOfPage) in contents[block.idstr] ?? [:] {
                    bytes[bitmap + Int(page) / 8] |= 1 << UInt8(page % 8)
                    bytes.replaceSubrange(first + Int(page) * 4096..<first + Int(page + 1) * 4096, with: bytesOfPage)
                }
            }
            bytes += rest
        }

        static func text(_ text: String) -> [UInt8] { [UInt8(text.utf8.count)] + Array(text.utf8) }

        static func number<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
            withUnsafeBytes(of: value.bigEndian) { Array($0) }
        }
    }

    private func ordinary(_ fixture: FixtureCase) throws -> (MigrationStream, RAMPageTable) {
        var table = RAMPageTable()
        let stream = try MigrationStreamReader(ArrayByteSource(fixture.fixture().stream)).read(pages: &table)
        return (stream, table)
    }

    private func read(_ bytes: [UInt8]) throws -> (MigrationStream, RAMPageTable) {
        var table = RAMPageTable()
        let stream = try MigrationStreamReader(ArrayByteSource(bytes)).read(pages: &table)
        return (stream, table)
    }

    // Behind a header of libvirt's, offsets count from the beginning of the whole file.
    @Test(arguments: [0, 65_628])
    func theStateIsThatOfAnOrdinaryStream(before: Int) throws {
        let (stream, table) = try ordinary(.pc)
        let mapped = try Mapped(stream, table, before: before)
        let (found, pages) = try read(mapped.bytes)
        #expect(found.configuration == stream.configuration)
        #expect(found.ram.blocks == stream.ram.blocks)
        #expect(found.devices == stream.devices)
        #expect(try found.skeleton() == stream.skeleton())
        #expect(pages.nonZero == table.nonZero)
    }

    @Test func aLibvirtFileOfThisFormIsRead() throws {
        let (stream, table) = try ordinary(.pc)
        let directory = try TemporaryDirectory()
        let texts = Array("<domain/>".utf8) + [UInt8](repeating: 0, count: 4096 - 9)
        var file = Array("LibvirtQemudSave".utf8)
        for field in [2, UInt32(texts.count), 1, 6] { file += withUnsafeBytes(of: field.littleEndian) { Array($0) } }
        file += [UInt8](repeating: 0, count: 92 - file.count) + texts
        file += try Mapped(stream, table, before: file.count).bytes
        try Data(file).write(to: URL(fileURLWithPath: directory["sparse.save"]))
        let source = try SnapshotSource(path: directory["sparse.save"])
        #expect(source.libvirt?.compression == .sparse)
        var pages = RAMPageTable()
        let found = try MigrationStreamReader(source).read(pages: &pages)
        #expect(try found.skeleton() == stream.skeleton())
        #expect(pages.nonZero == table.nonZero)
    }

    @Test func damagedHeadersAreRefusedWithTheirPlace() throws {
        let (stream, table) = try ordinary(.pc)
        let mapped = try Mapped(stream, table)
        func damaged(_ offset: Int, _ bytes: [UInt8]) -> VMStateError? {
            var copy = mapped.bytes
            copy.replaceSubrange(mapped.header + offset..<mapped.header + offset + bytes.count, with: bytes)
            return #expect(throws: VMStateError.self) { try read(copy) }
        }
        let version = damaged(0, [0, 0, 0, 9])
        #expect(version?.code == .unsupported)
        #expect(version?.offset == UInt64(mapped.header))
        #expect(version?.section == "ram")
        #expect(damaged(4, Mapped.number(UInt64(8192)))?.code == .unsupported)
        // The bitmap stands before its header, or the pages behind the file's end, or between pages, or over the bitmap.
        #expect(damaged(12, Mapped.number(UInt64(1)))?.code == .malformed)
        #expect(damaged(20, Mapped.number(UInt64.max - 4095))?.code == .malformed)
        #expect(damaged(20, Mapped.number(UInt64(mapped.pages + 1)))?.code == .malformed)
        #expect(damaged(20, Mapped.number(UInt64(0)))?.code == .malformed)
        // Cut anywhere, it is an error and never a trap.
        for length in stride(from: 0, to: mapped.bytes.count, by: mapped.bytes.count / 41) {
            #expect(throws: VMStateError.self) { try read(Array(mapped.bytes[..<length])) }
        }
    }
}
