import BlockService
import DiskImage
import GuestFiles
import VMState

/// A migration stream of QEMU.
enum StreamTarget: FuzzTarget {
    static let name = "stream"

    /// `Tests/fuzz` adds streams of QEMU.
    static func seeds() throws -> [[UInt8]] { [Array("QEVM\0\0\0\u{3}".utf8)] }

    static func run(_ bytes: UnsafeRawBufferPointer) {
        var sink = DiscardingPageSink()
        guard let stream = try? MigrationStreamReader(ArrayByteSource(Array(bytes))).read(pages: &sink) else { return }
        for device in stream.devices { _ = device.fields()?.count }
        guard let again = try? MigrationStream(skeleton: stream.skeleton()) else {
            finding("a stream's skeleton cannot be read back")
        }
        if again.devices != stream.devices { finding("a stream's skeleton has other devices") }
    }
}

/// The first sectors of a disk.
enum PartitionTarget: FuzzTarget {
    static let name = "partitions"

    static func seeds() throws -> [[UInt8]] {
        var record = [UInt8](repeating: 0, count: 4096)
        record[510] = 0x55
        record[511] = 0xAA
        record[450] = 0xEE
        record.replaceSubrange(512..<520, with: Array("EFI PART".utf8))
        record[512 + 72] = 2
        record[512 + 80] = 4
        record[512 + 84] = 128
        return [record]
    }

    static func run(_ bytes: UnsafeRawBufferPointer) {
        let disk = BytesReader(bytes: Array(bytes))
        guard let table = try? PartitionTable(of: disk) else { return }
        for partition in table.partitions where partition.offset > disk.size || partition.length > disk.size {
            finding("a partition beyond the disk")
        }
    }

    private struct BytesReader: DiskReader {
        let bytes: [UInt8]
        var size: UInt64 { UInt64(bytes.count) }

        func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws { copy(Int(offset), buffer) }

        /// Not inlined; see Tests/check-machine-code.
        @inline(never)
        private func copy(_ offset: Int, _ buffer: UnsafeMutableRawBufferPointer) {
            buffer.copyBytes(from: bytes[offset..<offset + buffer.count])
        }
    }
}

/// A qcow2 file: header, tables, snapshots, compressed clusters.
enum Qcow2Target: FuzzTarget {
    static let name = "qcow2"

    /// `Tests/fuzz` adds files of qemu-img.
    static func seeds() throws -> [[UInt8]] {
        [Array("QFI\u{FB}".unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) })]
    }

    static func run(_ bytes: UnsafeRawBufferPointer) { _ = Qcow2Walk(bytes) }
}

/// What an NBD client sends, from the negotiation on.
enum NBDTarget: FuzzTarget {
    static let name = "nbd"

    /// Conversations as clients have them: with each option, and with each command after EXPORT_NAME or GO.
    static func seeds() throws -> [[UInt8]] {
        let flags: [UInt8] = [0, 0, 0, 3]
        let structured = option(8, [])
        let context = string("disk") + [0, 0, 0, 1] + string("base:allocation")
        let go = option(7, string("disk") + [0, 3, 0, 0, 0, 1, 0, 3])
        let commands: [[UInt8]] = [
            request(0, length: 4096), request(0, flags: 4, at: 32768, length: 65536),
            request(1, length: 512) + bytes(512),
            request(1, flags: 1, at: 512, length: 512) + bytes(512), request(3), request(4, at: 4096, length: 4096),
            request(5, length: 65536), request(6, flags: 2, length: 4096), request(6, flags: 16, length: 4096),
            request(7, length: 1 << 20), request(7, flags: 8, length: 4096), request(0, at: 1 << 20, length: 1),
        ]
        let all = commands.flatMap { $0 } + request(2)
        return [
            flags + option(1, Array("disk".utf8)) + all, flags + go + all, flags + structured + go + all,
            flags + structured + option(10, context) + go + all,
            flags + option(3, []) + structured + option(9, context) + option(6, string("") + [0, 0]) + option(5, [])
                + option(2, []),
        ] + commands.map { flags + structured + option(10, context) + go + $0 + request(2) }
    }

    private static func option(_ number: UInt32, _ data: [UInt8]) -> [UInt8] {
        Array("IHAVEOPT".utf8) + big(number) + big(UInt32(data.count)) + data
    }

    private static func request(_ type: UInt16, flags: UInt16 = 0, at offset: UInt64 = 0, length: UInt32 = 0) -> [UInt8]
    {
        big(UInt32(0x2560_9513)) + big(flags) + big(type) + big(UInt64(type) << 32 | offset) + big(offset) + big(length)
    }

    private static func string(_ text: String) -> [UInt8] { big(UInt32(text.utf8.count)) + Array(text.utf8) }

    private static func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0) } }

    private static func big(_ value: some FixedWidthInteger) -> [UInt8] {
        stride(from: value.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> $0) }
    }

    static func run(_ bytes: UnsafeRawBufferPointer) {
        _ = try? NBDFuzzing.run(bytes, exports: [NBDExport(name: "disk", source: ZeroDisk())])
    }

    private struct ZeroDisk: BlockSource {
        var size: UInt64 { 1 << 20 }

        func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
            if offset > size || UInt64(buffer.count) > size - offset { finding("a read outside the export") }
            buffer.initializeMemory(as: UInt8.self, repeating: 0)
        }

        func extents(from offset: UInt64, length: UInt64) throws -> [BlockExtent] {
            if offset > size || length > size - offset { finding("a status outside the export") }
            return [BlockExtent(offset: offset, length: length, isZero: true)]
        }
    }
}
