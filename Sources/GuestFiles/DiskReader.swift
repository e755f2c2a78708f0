/// Something whose bytes can be read at an offset: a disk, or a partition of one.
///
/// Calls may come from any thread and may block.
package protocol DiskReader: Sendable {
    /// Size in bytes.
    var size: UInt64 { get }

    /// Fills all of `buffer` with the bytes at `offset`; the range lies inside the disk.
    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws
}

extension DiskReader {
    /// The bytes of a small range, or nil when it leaves the disk.
    func bytes(at offset: UInt64, count: Int) throws -> [UInt8]? {
        guard offset <= size, UInt64(count) <= size - offset else { return nil }
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withUnsafeMutableBytes { try read(at: offset, into: $0) }
        return bytes
    }
}

/// A part of a disk.
package struct PartitionReader: DiskReader {
    private let disk: any DiskReader
    private let offset: UInt64
    package let size: UInt64

    /// - Parameters: `offset` and `length` in bytes; what lies beyond the end of the disk is cut off.
    package init(_ disk: any DiskReader, offset: UInt64, length: UInt64) {
        self.disk = disk
        self.offset = min(offset, disk.size)
        size = min(length, disk.size - self.offset)
    }

    package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        try disk.read(at: self.offset + offset, into: buffer)
    }
}
