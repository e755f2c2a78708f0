/// The bytes that `savevm` wrote for one snapshot: a QEMU migration stream, readable at any position.
///
/// They are mapped like disk contents behind the end of the disk; parts that nothing is allocated for read as zeros.
package struct Qcow2VMState: Sendable {
    private let layer: Qcow2Layer
    private let start: UInt64
    /// Exact length in bytes.
    package let size: UInt64

    init(layer: Qcow2Layer, start: UInt64, size: UInt64) {
        self.layer = layer
        self.start = start
        self.size = size
    }

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// - Throws: `.outOfRange` when the range leaves the VM state; what the file's structures cause.
    package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(DiskImageError) {
        guard offset <= size, UInt64(buffer.count) <= size - offset else {
            throw DiskImageError(
                .outOfRange,
                "bytes \(offset) to \(offset)+\(buffer.count) are not in a VM state of \(size) bytes; ask for a range inside it"
            )
        }
        try layer.readMapped(at: start + offset, into: buffer)
    }
}
