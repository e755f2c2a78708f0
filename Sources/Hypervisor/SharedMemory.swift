import Glibc

/// Main memory of a guest in an anonymous file (memfd_create(2)), which QEMU and this process both map.
///
/// It belongs to no file system: it is gone when QEMU and this process have ended, however they end. Its size is sealed, so
/// that no mapping of it can fault for want of bytes.
package final class SharedMemory: Sendable {
    /// Bytes; a multiple of 4096.
    package let size: UInt64
    private let file: FileDescriptor

    // SEEK_DATA and SEEK_HOLE of lseek(2), which Swift does not import.
    private static let seekData: Int32 = 3
    private static let seekHole: Int32 = 4

    /// Makes a file of zeros, which takes no memory yet.
    ///
    /// - Throws: ``HypervisorError`` with `.io`.
    package init(size: UInt64, name: String = "guest-ram") throws(HypervisorError) {
        guard size > 0, size.isMultiple(of: 4096), let length = off_t(exactly: size), Int(exactly: size) != nil else {
            throw HypervisorError(.invalidConfiguration, "A guest cannot have \(size) bytes of memory.")
        }
        // Glibc's module does not have memfd_create(2).
        guard let symbol = dlsym(nil, "memfd_create") else {
            throw HypervisorError(.io(errno: ENOSYS), "This system cannot make files in memory (memfd_create).")
        }
        typealias Create = @convention(c) (UnsafePointer<CChar>, UInt32) -> Int32
        // MFD_CLOEXEC | MFD_ALLOW_SEALING
        let raw = unsafeBitCast(symbol, to: Create.self)(name, 0x1 | 0x2)
        guard raw >= 0 else { throw .system("make memory for the guest") }
        file = FileDescriptor(owning: raw)
        self.size = size
        guard ftruncate(raw, length) == 0 else { throw .system("make \(size >> 20) MiB of memory for the guest") }
        // F_ADD_SEALS: F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW. Macros that Swift does not import.
        guard fcntl(raw, 1033, 0x1 | 0x2 | 0x4) == 0 else { throw .system("seal the memory of the guest") }
    }

    /// The descriptor, for a child to inherit.
    var descriptor: Int32 { file.raw }

    /// The ranges that take memory, upwards; everything else is zero. A range may hold zeros too.
    ///
    /// Nothing is allocated by asking, while reading a hole through a mapping would allocate it.
    package func extents() throws(HypervisorError) -> [Range<UInt64>] {
        var extents: [Range<UInt64>] = []
        var position: off_t = 0
        while UInt64(position) < size {
            let start = lseek(file.raw, position, 3)
            if start < 0 {
                if errno == ENXIO { break }
                throw .system("look through the memory of the guest")
            }
            let end = lseek(file.raw, start, Self.seekHole)
            guard end > start else { throw .system("look through the memory of the guest") }
            extents.append(UInt64(start)..<UInt64(end))
            position = end
        }
        return extents
    }

    /// Bytes that take memory.
    package func allocatedBytes() throws(HypervisorError) -> UInt64 {
        try extents().reduce(0) { $0 + UInt64($1.count) }
    }

    /// Bytes that are mapped at a time: what this process seems to have in memory stays small, although they are the
    /// guest's pages and no copies.
    private static let window: UInt64 = 32 << 20

    /// Gives the contents to `body`, upwards and in parts, without what takes no memory and therefore is zero.
    ///
    /// The bytes are valid during the call. While the guest runs it changes them at any time.
    package func forEachPart(
        _ body: (_ offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws -> Void
    ) throws {
        for extent in try extents() {
            var start = extent.lowerBound
            while start < extent.upperBound {
                let end = min(extent.upperBound, start + Self.window)
                try map(start..<end) { try body(start, $0) }
                start = end
            }
        }
    }

    private func map(_ range: Range<UInt64>, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let count = Int(range.count)
        let flags = MAP_SHARED | Int32(MAP_POPULATE)
        guard let start = mmap(nil, count, PROT_READ, flags, file.raw, off_t(range.lowerBound)), start != MAP_FAILED
        else { throw HypervisorError.system("map the memory of the guest") }
        defer { munmap(start, count) }
        try body(UnsafeRawBufferPointer(start: start, count: count))
    }

    /// Writes bytes; any thread.
    ///
    /// - Throws: ``HypervisorError`` with `.io`, or `.invalidConfiguration` beyond the end.
    package func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(HypervisorError) {
        guard offset <= size, UInt64(bytes.count) <= size - offset else {
            throw HypervisorError(
                .invalidConfiguration, "\(bytes.count) bytes at \(offset) are outside of memory of \(size) bytes.")
        }
        var done = 0
        while done < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
            let count = pwrite(file.raw, rest.baseAddress, rest.count, off_t(offset) + off_t(done))
            if count < 0 {
                if errno == EINTR { continue }
                throw .system("write the memory of the guest", advice: "Free some memory and try again.")
            }
            done += count
        }
    }
}
