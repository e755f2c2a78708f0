/// Something that can be served as a read-only disk.
///
/// Calls come from several threads at once and may block.
package protocol BlockSource: Sendable {
    /// Size in bytes; does not change.
    var size: UInt64 { get }

    /// Fills all of `buffer` with the bytes at `offset`; the range lies inside the disk.
    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws

    /// Which parts of a range inside the disk are data and which are zeros, in order and without gaps.
    func extents(from offset: UInt64, length: UInt64) throws -> [BlockExtent]
}

/// A range of a disk that is data, or reads as zeros.
package struct BlockExtent: Sendable, Hashable {
    package var offset: UInt64
    /// Bytes, never 0.
    package var length: UInt64
    package var isZero: Bool

    package init(offset: UInt64, length: UInt64, isZero: Bool) {
        self.offset = offset
        self.length = length
        self.isZero = isZero
    }
}
