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

        func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
            buffer.copyBytes(from: bytes[Int(offset)..<Int(offset) + buffer.count])
        }
    }
}
