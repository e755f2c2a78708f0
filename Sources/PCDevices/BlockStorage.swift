/// The contents of a disk as a snapshot has them: read only, shared by all forks on all threads.
package protocol BlockStorage: Sendable {
    /// Size in bytes, a multiple of 512.
    var byteCount: UInt64 { get }

    /// Fills the buffer from a range inside the disk.
    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws
}
