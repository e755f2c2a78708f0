import Glibc

/// An open file of an overlay; positions are checked by the caller.
final class OverlayFile: Sendable {
    let descriptor: CInt
    let path: String

    /// Opens a file, or makes it with O_CREAT, for its owner alone.
    ///
    /// - Parameter first: The name that it has now, when it will be renamed to `path`.
    init(_ path: String, openedAs first: String? = nil, flags: CInt) throws(BlockServiceError) {
        self.path = path
        descriptor = open(first ?? path, flags | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system("opening \(first ?? path)") }
    }

    deinit { close(descriptor) }

    /// Reads up to the end of the file.
    ///
    /// - Returns: How many bytes there were.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(BlockServiceError) -> Int {
        var done = 0
        while done < buffer.count {
            let rest = buffer.baseAddress.map { $0 + done }
            let count = pread(descriptor, rest, buffer.count - done, off_t(clamping: offset + UInt64(done)))
            if count == 0 { break }
            if count > 0 { done += count } else if errno != EINTR { throw .system("reading \(path)") }
        }
        return done
    }

    /// Writes pieces one after the other.
    func write(_ pieces: [UnsafeRawBufferPointer], at offset: UInt64) throws(BlockServiceError) {
        var rest = pieces.filter { !$0.isEmpty }
        var position = offset
        while !rest.isEmpty {
            // The system only reads what the vectors point to.
            let vectors = rest.map {
                iovec(iov_base: UnsafeMutableRawPointer(mutating: $0.baseAddress), iov_len: $0.count)
            }
            var count = pwritev(descriptor, vectors, CInt(vectors.count), off_t(clamping: position))
            if count < 0 {
                if errno == EINTR { continue }
                throw .system("writing \(path)")
            }
            position += UInt64(count)
            while let first = rest.first, count >= first.count {
                count -= first.count
                rest.removeFirst()
            }
            if let first = rest.first, count > 0 {
                rest[0] = UnsafeRawBufferPointer(rebasing: first[count...])
            }
        }
    }

    /// The bytes at an offset, fewer at the end of the file.
    func bytes(_ count: Int, at offset: UInt64) throws(BlockServiceError) -> [UInt8] {
        let memory = Memory(count: count)
        let done = try read(into: UnsafeMutableRawBufferPointer(rebasing: memory.bytes[..<count]), at: offset)
        return Array(memory.bytes[..<done])
    }

    func write(_ bytes: [UInt8], at offset: UInt64) throws(BlockServiceError) {
        let memory = Memory(count: bytes.count)
        memory.bytes.copyBytes(from: bytes)
        try write([UnsafeRawBufferPointer(rebasing: memory.bytes[..<bytes.count])], at: offset)
    }

    /// Frees the space of a range, which then reads as zeros; where the file system cannot do that, nothing happens.
    func punch(at offset: UInt64, length: UInt64) throws(BlockServiceError) {
        let mode = SystemCalls.punchHole | SystemCalls.keepSize
        _ = try allocate(mode, offset, length)
    }

    /// Makes a range zero and keeps space for it.
    ///
    /// - Returns: false when the file system cannot do that other than by writing.
    func zero(at offset: UInt64, length: UInt64) throws(BlockServiceError) -> Bool {
        try allocate(SystemCalls.zeroRange | SystemCalls.keepSize, offset, length)
    }

    private func allocate(_ mode: CInt, _ offset: UInt64, _ length: UInt64) throws(BlockServiceError) -> Bool {
        while true {
            let result = SystemCalls.allocate(
                descriptor, mode: mode, offset: off_t(clamping: offset), length: off_t(clamping: length))
            if result == 0 { return true }
            if errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL { return false }
            if errno != EINTR { throw .system("allocating space in \(path)") }
        }
    }

    /// The size of the file in bytes.
    func size() throws(BlockServiceError) -> UInt64 {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system("examining \(path)") }
        return UInt64(clamping: status.st_size)
    }

    func resize(to size: UInt64) throws(BlockServiceError) {
        guard ftruncate(descriptor, off_t(clamping: size)) == 0 else { throw .system("making \(path) larger") }
    }

    func synchronize() throws(BlockServiceError) {
        while fdatasync(descriptor) != 0 {
            if errno != EINTR { throw .system("synchronizing \(path)") }
        }
    }

    /// The next offset from `offset` on, below `end`, that is not in a hole of the file.
    func nextData(from offset: UInt64, end: UInt64) -> UInt64? {
        guard offset < end else { return nil }
        let position = lseek(descriptor, off_t(clamping: offset), SystemCalls.seekData)
        // A file system without holes, and errors, count as data; ENXIO is the end.
        if position < 0 { return errno == ENXIO ? nil : offset }
        return UInt64(position) < end ? UInt64(position) : nil
    }
}

extension BlockServiceError {
    /// What the last system call failed with.
    static func system(_ what: String) -> BlockServiceError {
        let number = errno
        let cause = String(cString: strerror(number))
        switch number {
        case ENOSPC, EDQUOT:
            return BlockServiceError(.noSpace, "\(what) failed; free space on that file system", cause: cause)
        case ENOENT: return BlockServiceError(.notFound, "\(what) failed; check the path", cause: cause)
        default: return BlockServiceError(.io, "\(what) failed; check the file system", cause: cause)
        }
    }
}
