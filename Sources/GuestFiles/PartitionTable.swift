/// The partitions of a disk, and what is in them.
///
/// Sources: UEFI 2.10 sections 5.2 (master boot record) and 5.3 (GUID partition table).
package struct PartitionTable: Sendable, Hashable {
    /// A range of the disk.
    package struct Partition: Sendable, Hashable {
        /// As the kernel numbers it (vda1 is 1); nil for the whole disk.
        package let number: Int?
        /// Bytes.
        package let offset: UInt64
        package let length: UInt64
        package let content: FileSystemKind
    }

    package let partitions: [Partition]

    private static let sector: UInt64 = 512
    /// Most partitions that are looked at.
    private static let limit = 256

    /// Reads the table of a disk; a disk without one is a single partition.
    ///
    /// A broken table is read as far as it makes sense: partitions outside the disk are left out.
    package init(of disk: any DiskReader) throws {
        var ranges: [(number: Int, offset: UInt64, length: UInt64)] = []
        let whole = try FileSystemKind(of: disk)
        if whole == .unknown, let boot = try disk.bytes(at: 0, count: 512), boot[510] == 0x55, boot[511] == 0xAA {
            let entries = Self.bootRecordEntries(boot)
            if entries.contains(where: { $0.type == 0xEE }) {
                ranges = try Self.guidPartitions(of: disk)
            } else {
                ranges = try Self.bootRecordPartitions(entries, of: disk)
            }
        }
        guard !ranges.isEmpty else {
            partitions = [Partition(number: nil, offset: 0, length: disk.size, content: whole)]
            return
        }
        partitions = try ranges.map { number, offset, length in
            Partition(
                number: number, offset: offset, length: length,
                content: try FileSystemKind(of: PartitionReader(disk, offset: offset, length: length)))
        }
    }

    private struct BootRecordEntry {
        let type: UInt8
        let start: UInt64
        let count: UInt64

        var isExtended: Bool { type == 0x05 || type == 0x0F || type == 0x85 }
    }

    private static func bootRecordEntries(_ record: [UInt8]) -> [BootRecordEntry] {
        (0..<4).map { index in
            let offset = 446 + 16 * index
            return BootRecordEntry(
                type: record[offset + 4], start: UInt64(record.little(UInt32.self, at: offset + 8) ?? 0),
                count: UInt64(record.little(UInt32.self, at: offset + 12) ?? 0))
        }
    }

    private static func bootRecordPartitions(
        _ entries: [BootRecordEntry], of disk: any DiskReader
    ) throws -> [(number: Int, offset: UInt64, length: UInt64)] {
        var found: [(number: Int, offset: UInt64, length: UInt64)] = []
        for (index, entry) in entries.enumerated() where entry.type != 0 && entry.count > 0 {
            if !entry.isExtended {
                append(number: index + 1, start: entry.start, count: entry.count, of: disk, to: &found)
                continue
            }
            // A chain of records: the first entry is a logical partition, the second the next record.
            var record = entry.start
            for number in 5..<limit {
                guard let bytes = try disk.bytes(at: record * sector, count: 512), bytes[510] == 0x55,
                    bytes[511] == 0xAA
                else { break }
                let links = bootRecordEntries(bytes)
                append(number: number, start: record + links[0].start, count: links[0].count, of: disk, to: &found)
                guard links[1].isExtended, links[1].count > 0, entry.start + links[1].start > record else { break }
                record = entry.start + links[1].start
            }
        }
        return found
    }

    private static func guidPartitions(
        of disk: any DiskReader
    ) throws -> [(number: Int, offset: UInt64, length: UInt64)] {
        guard let header = try disk.bytes(at: sector, count: 92), header.starts(with: Array("EFI PART".utf8)),
            let table = header.little(UInt64.self, at: 72), let count = header.little(UInt32.self, at: 80),
            let size = header.little(UInt32.self, at: 84), size >= 128, size <= 4096, table <= disk.size / sector
        else { return [] }
        var found: [(number: Int, offset: UInt64, length: UInt64)] = []
        for index in 0..<min(Int(count), limit) {
            let offset = table * sector + UInt64(index) * UInt64(size)
            guard let entry = try disk.bytes(at: offset, count: 48) else { break }
            guard entry[..<16].contains(where: { $0 != 0 }), let first = entry.little(UInt64.self, at: 32),
                let last = entry.little(UInt64.self, at: 40), last >= first, last < UInt64.max
            else { continue }
            append(number: index + 1, start: first, count: last - first + 1, of: disk, to: &found)
        }
        return found
    }

    private static func append(
        number: Int, start: UInt64, count: UInt64, of disk: any DiskReader,
        to found: inout [(number: Int, offset: UInt64, length: UInt64)]
    ) {
        let sectors = disk.size / sector
        guard count > 0, start < sectors else { return }
        found.append((number, start * sector, min(count, sectors - start) * sector))
    }
}

/// What a partition holds, by its magic bytes.
package enum FileSystemKind: String, Sendable, Hashable {
    /// ext2, ext3 or ext4.
    case ext4
    case xfs, btrfs, swap, lvm, luks, vfat, ntfs, squashfs
    case unknown

    init(of disk: any DiskReader) throws {
        func has(_ text: String, at offset: UInt64) throws -> Bool {
            try disk.bytes(at: offset, count: text.utf8.count).map { $0 == Array(text.utf8) } ?? false
        }
        if try disk.bytes(at: 1024 + 56, count: 2) == [0x53, 0xEF] {
            self = .ext4
        } else if try has("XFSB", at: 0) {
            self = .xfs
        } else if try has("_BHRfS_M", at: 0x10040) {
            self = .btrfs
        } else if try has("SWAPSPACE2", at: 4086) {
            self = .swap
        } else if try has("LABELONE", at: 512) {
            self = .lvm
        } else if try has("LUKS", at: 0) {
            self = .luks
        } else if try has("NTFS", at: 3) {
            self = .ntfs
        } else if try has("hsqs", at: 0) {
            self = .squashfs
        } else if try has("FAT", at: 54) {
            self = .vfat
        } else if try has("FAT32", at: 82) {
            self = .vfat
        } else {
            self = .unknown
        }
    }
}

extension Array where Element == UInt8 {
    /// A little-endian integer, or nil when it lies outside.
    func little<Value: FixedWidthInteger>(_ type: Value.Type, at offset: Int) -> Value? {
        integer(type, at: offset).map(Value.init(littleEndian:))
    }

    /// A big-endian integer, or nil when it lies outside.
    func big<Value: FixedWidthInteger>(_ type: Value.Type, at offset: Int) -> Value? {
        integer(type, at: offset).map(Value.init(bigEndian:))
    }

    private func integer<Value: FixedWidthInteger>(_: Value.Type, at offset: Int) -> Value? {
        let width = Value.bitWidth / 8
        guard offset >= 0, offset <= count - width else { return nil }
        return withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Value.self) }
    }
}
