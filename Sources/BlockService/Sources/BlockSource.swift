/// Something that can be served as a disk.
///
/// Calls come from several threads at once and may block.
package protocol BlockSource: Sendable {
    /// Size in bytes; does not change.
    var size: UInt64 { get }

    /// Fills all of `buffer` with the bytes at `offset`; the range lies inside the disk.
    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws

    /// Which parts of a range inside the disk are data and which are zeros, in order and without gaps.
    func extents(from offset: UInt64, length: UInt64) throws -> [BlockExtent]

    /// Fills all of `buffer` if that needs no waiting: the bytes are in memory and decoded.
    ///
    /// - Returns: false when they are not; the buffer's contents are then arbitrary.
    func readIfReady(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> Bool

    /// Brings a range into memory, so that a read of it will not wait. As much of it as there is room for.
    func prepare(from offset: UInt64, length: UInt64) throws
}

extension BlockSource {
    package func readIfReady(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> Bool { false }

    package func prepare(from offset: UInt64, length: UInt64) throws {}
}

/// A disk that can be written to.
///
/// A write that has returned is seen by every read that begins afterwards, whoever reads. What was written, zeroed or trimmed before
/// ``flush()`` began is durable when it returns; before, a crash may lose it.
package protocol WritableBlockSource: BlockSource {
    /// Writes bytes at any offset; the range lies inside the disk. After an error the range may be partly written.
    func write(at offset: UInt64, from bytes: UnsafeRawBufferPointer) throws

    /// Makes a range inside the disk zero.
    ///
    /// - Parameter isAllocated: Space for the range is to be kept, so that later writes to it do not lack it.
    func zero(at offset: UInt64, length: UInt64, isAllocated: Bool) throws

    /// Makes everything durable that was done before.
    func flush() throws
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
