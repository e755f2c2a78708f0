import Glibc

/// A file descriptor that is closed with its owner.
struct FileDescriptor: ~Copyable, Sendable {
    let raw: Int32

    deinit { close(raw) }
}

/// An image file open for reading, or an image in memory; shared by the layers that read from it.
final class ImageFile: Sendable {
    private enum Storage: ~Copyable, Sendable {
        case file(FileDescriptor)
        case memory([UInt8])
    }

    /// Identity of a file on this machine, whatever its path.
    struct Identity: Hashable, Sendable {
        var device: UInt64
        var inode: UInt64
    }

    let path: String
    let identity: Identity
    private let storage: Storage

    /// Opens a regular file or a block device.
    ///
    /// - Throws: `.cannotOpen`.
    init(path: String) throws(DiskImageError) {
        // Without O_NONBLOCK, a path that names a FIFO would wait for a writer.
        let raw = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard raw >= 0 else {
            throw DiskImageError(
                .cannotOpen, "cannot open image \(path); check the path and its permissions",
                cause: ImageFile.lastError())
        }
        self.path = path
        storage = .file(FileDescriptor(raw: raw))
        var status = stat()
        guard fstat(raw, &status) == 0 else {
            throw DiskImageError(
                .cannotOpen, "cannot examine image \(path); check the file system that it is on",
                cause: ImageFile.lastError())
        }
        guard [S_IFREG, S_IFBLK].contains(status.st_mode & S_IFMT) else {
            throw DiskImageError(
                .cannotOpen, "\(path) is neither a regular file nor a block device; give an image file")
        }
        self.identity = Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }

    /// The contents of an image file in memory.
    init(bytes: [UInt8], name: String) {
        path = name
        // No file has inode 0.
        identity = Identity(device: 0, inode: 0)
        storage = .memory(bytes)
    }

    /// The file's size now; a running QEMU may make it grow.
    func size() throws(DiskImageError) -> UInt64 {
        let end: off_t
        switch storage {
        case .memory(let bytes): return UInt64(bytes.count)
        // lseek answers for block devices too; nothing else here depends on the position.
        case .file(let descriptor): end = lseek(descriptor.raw, 0, SEEK_END)
        }
        guard let size = UInt64(exactly: end) else {
            throw DiskImageError(
                .io, "cannot determine the size of \(path); check the disk that it is on", cause: ImageFile.lastError())
        }
        return size
    }

    /// Reads until the buffer is full or the file ends.
    ///
    /// - Returns: Bytes read.
    func readAvailable(
        at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(DiskImageError) -> Int {
        switch storage {
        case .file(let descriptor): return try readAvailable(of: descriptor, at: offset, into: buffer)
        case .memory(let bytes):
            guard let start = Int(exactly: offset), start < bytes.count else { return 0 }
            let count = min(buffer.count, bytes.count - start)
            copy(bytes, start..<start + count, into: buffer)
            return count
        }
    }

    /// Apart, because of the fault of the Swift 6.3 optimiser that ``UnsafeMutableRawBufferPointer/zero()`` tells of.
    @inline(never)
    private func copy(_ bytes: [UInt8], _ range: Range<Int>, into buffer: UnsafeMutableRawBufferPointer) {
        bytes.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[range])) }
    }

    private func readAvailable(
        of descriptor: borrowing FileDescriptor, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(DiskImageError) -> Int {
        var done = 0
        while done < buffer.count {
            let (position, overflow) = offset.addingReportingOverflow(UInt64(done))
            guard !overflow, let start = off_t(exactly: position) else { return done }
            let count = pread(descriptor.raw, buffer.baseAddress?.advanced(by: done), buffer.count - done, start)
            if count > 0 {
                done += count
            } else if count == 0 {
                break
            } else if errno == EINVAL, start > off_t.max - off_t(buffer.count) {
                // Linux refuses ranges that end beyond the largest offset; no file has bytes there.
                break
            } else if errno != EINTR {
                throw DiskImageError(
                    .io,
                    "cannot read \(path) at byte \(position); check the disk that it is on, or copy the image again",
                    cause: ImageFile.lastError())
            }
        }
        return done
    }

    /// Fills the buffer.
    ///
    /// - Parameter what: Name of the structure, for the error.
    /// - Throws: `.truncated` when the file ends before.
    func read(
        at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer, what: @autoclosure () -> String
    ) throws(DiskImageError) {
        let count = try readAvailable(at: offset, into: buffer)
        guard count == buffer.count else {
            throw beyondEnd(offset, UInt64(buffer.count), what())
        }
    }

    /// Throws `.truncated` unless the range lies inside the file.
    func checkInside(_ offset: UInt64, _ length: UInt64, what: @autoclosure () -> String) throws(DiskImageError) {
        let size = try size()
        guard offset <= size, length <= size - offset else { throw beyondEnd(offset, length, what()) }
    }

    /// Reads `count` bytes after checking that the file has them.
    func bytes(at offset: UInt64, count: Int, what: @autoclosure () -> String) throws(DiskImageError) -> [UInt8] {
        try checkInside(offset, UInt64(clamping: count), what: what())
        var bytes = [UInt8](repeating: 0, count: count)
        var failure: DiskImageError?
        bytes.withUnsafeMutableBytes { buffer in
            do throws(DiskImageError) { try read(at: offset, into: buffer, what: what()) } catch { failure = error }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Reads a table of big-endian 64-bit words after checking that the file has it.
    func words(at offset: UInt64, count: Int, what: @autoclosure () -> String) throws(DiskImageError) -> [UInt64] {
        try checkInside(offset, UInt64(clamping: count) * 8, what: what())
        var words = [UInt64](repeating: 0, count: count)
        var failure: DiskImageError?
        words.withUnsafeMutableBytes { buffer in
            do throws(DiskImageError) { try read(at: offset, into: buffer, what: what()) } catch { failure = error }
        }
        if let failure { throw failure }
        for index in words.indices { words[index] = UInt64(bigEndian: words[index]) }
        return words
    }

    /// The first data, or the first hole, at or after `offset`; nil when there is none before the end of the file.
    ///
    /// - Returns: `offset` itself for data on a file system without hole detection.
    func next(_ kind: AllocationKind, from offset: UInt64) throws(DiskImageError) -> UInt64? {
        guard let start = off_t(exactly: offset) else { return nil }
        let found: off_t
        switch storage {
        case .memory(let bytes): return kind == .data && offset < UInt64(bytes.count) ? offset : nil
        case .file(let descriptor): found = lseek(descriptor.raw, start, kind == .data ? SEEK_DATA : SEEK_HOLE)
        }
        if let found = UInt64(exactly: found) { return found }
        switch errno {
        case ENXIO: return nil
        case EINVAL, ENOTSUP: return kind == .data ? offset : nil
        default:
            throw DiskImageError(
                .io, "cannot look for holes in \(path) at byte \(offset); check the disk that it is on",
                cause: ImageFile.lastError())
        }
    }

    /// What ``next(_:from:)`` looks for.
    enum AllocationKind { case data, hole }

    private func beyondEnd(_ offset: UInt64, _ length: UInt64, _ what: String) -> DiskImageError {
        DiskImageError(
            .truncated,
            "\(path) ends before the \(what) at byte \(offset) (\(length) bytes); the file is cut off or damaged: copy it again, or run qemu-img check"
        )
    }

    private static func lastError() -> String { String(cString: strerror(errno)) }
}

/// `SEEK_DATA` and `SEEK_HOLE` of Linux's `lseek(2)`; the C library shows them only under `_GNU_SOURCE`.
private let SEEK_DATA: Int32 = 3
private let SEEK_HOLE: Int32 = 4
