/// A read-only disk as a guest sees it, or one layer of it.
///
/// Implementations are safe to use from several threads at once.
package protocol DiskImage: Sendable {
    /// Size of the disk in bytes.
    var virtualSize: UInt64 { get }

    /// What is allocated in a range, in order, without gaps, adjacent extents of one kind merged.
    ///
    /// - Parameters:
    ///   - offset: First byte of the range.
    ///   - length: Bytes in the range, which must lie inside the disk.
    /// - Throws: `.outOfRange`, `.tooManyExtents` above ``DiskExtent/limit``, and what the file's structures cause.
    func extents(from offset: UInt64, length: UInt64) throws(DiskImageError) -> [DiskExtent]

    /// Fills `buffer` with the bytes at `offset`; zero and unallocated extents read as zeros.
    ///
    /// - Throws: `.outOfRange` when the range leaves the disk, `.truncated`, `.corrupt`, `.io`.
    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(DiskImageError)
}

/// A range of a disk with one kind of allocation.
package struct DiskExtent: Sendable, Hashable {
    /// How a range of a disk is backed.
    package enum Kind: Sendable, Hashable {
        /// Bytes are stored for it.
        case data
        /// It reads as zeros, whatever lies below.
        case zero
        /// Nothing is said about it: the backing file decides; without one it reads as zeros.
        case unallocated
    }

    /// Most extents that one call of ``DiskImage/extents(from:length:)`` answers.
    package static let limit = 1 << 20

    /// First byte on the disk.
    package var offset: UInt64
    /// Length in bytes, never 0.
    package var length: UInt64
    package var kind: Kind

    package init(offset: UInt64, length: UInt64, kind: Kind) {
        self.offset = offset
        self.length = length
        self.kind = kind
    }

    /// First byte after the extent.
    package var end: UInt64 { offset + length }
}

extension DiskImage {
    /// Visits the extents of a range of any size in order.
    ///
    /// The range is asked for in windows, so extents of one kind are not merged across a window's border, and ``DiskExtent/limit``
    /// is never met. Windows are 256 MiB at first and grow while little is found, so that a disk of a hostile size is soon over.
    package func forEachExtent(
        from offset: UInt64 = 0, length: UInt64? = nil, _ body: (DiskExtent) throws -> Void
    ) throws {
        let length = length ?? (virtualSize - min(offset, virtualSize))
        try checkRange(offset, length)
        let smallest: UInt64 = 256 << 20
        let end = offset + length
        var position = offset
        var window = smallest
        while position < end {
            let step = min(end - position, window)
            let found: [DiskExtent]
            do throws(DiskImageError) {
                found = try extents(from: position, length: step)
            } catch {
                guard error.code == .tooManyExtents, window > smallest else { throw error }
                window = smallest
                continue
            }
            for extent in found { try body(extent) }
            position += step
            window = found.count <= 64 ? min(window * 2, 1 << 50) : smallest
        }
    }

    /// The bytes of a small range as an array.
    ///
    /// - Parameter count: Bytes to read; the range is checked before memory is allocated.
    package func bytes(at offset: UInt64, count: Int) throws(DiskImageError) -> [UInt8] {
        try checkRange(offset, UInt64(clamping: count))
        var bytes = [UInt8](repeating: 0, count: max(0, count))
        var failure: DiskImageError?
        bytes.withUnsafeMutableBytes { buffer in
            do throws(DiskImageError) { try read(at: offset, into: buffer) } catch { failure = error }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Throws `.outOfRange` unless the range lies inside the disk.
    func checkRange(_ offset: UInt64, _ length: UInt64) throws(DiskImageError) {
        guard offset <= virtualSize, length <= virtualSize - offset else {
            throw DiskImageError(
                .outOfRange,
                "bytes \(offset) to \(offset)+\(length) are not on a disk of \(virtualSize) bytes; ask for a range inside it"
            )
        }
    }
}

extension Array where Element == DiskExtent {
    /// Adds a range at the end, merged with the last one when the kind is the same.
    mutating func append(merging extent: DiskExtent) throws(DiskImageError) {
        if extent.length == 0 { return }
        if let last, last.kind == extent.kind, last.end == extent.offset {
            self[count - 1].length += extent.length
            return
        }
        guard count < DiskExtent.limit else {
            throw DiskImageError(
                .tooManyExtents,
                "the range has more than \(DiskExtent.limit) extents (reached at byte \(extent.offset)); ask for a smaller range"
            )
        }
        append(extent)
    }
}
