import BlockService
import DiskImage
import GuestFiles
import VMState

/// A migration stream of QEMU.
enum StreamTarget: FuzzTarget {
    static let name = "stream"

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

    static func seeds() throws -> [[UInt8]] {
        [Array("QFI\u{FB}".unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) })]
    }

    static func run(_ bytes: UnsafeRawBufferPointer) { _ = Qcow2Walk(bytes) }
}

/// What an NBD client sends, from the negotiation on.
enum NBDTarget: FuzzTarget {
    static let name = "nbd"

    static func seeds() throws -> [[UInt8]] {
        // Flags, NBD_OPT_GO for the only export, NBD_CMD_READ of 512 bytes.
        let go = Array("IHAVEOPT".utf8) + [0, 0, 0, 7, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0]
        let read: [UInt8] = [0x25, 0x60, 0x95, 0x13, 0, 0, 0, 0] + [UInt8](repeating: 1, count: 8)
        return [[0, 0, 0, 3] + go + read + [UInt8](repeating: 0, count: 10) + [2, 0]]
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
