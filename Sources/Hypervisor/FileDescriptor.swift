import Glibc

/// Owns an open file descriptor and closes it when it goes out of scope.
struct FileDescriptor: ~Copyable, Sendable {
    let raw: Int32

    /// Takes over a descriptor that is open and owned by nobody else.
    init(owning raw: Int32) { self.raw = raw }

    deinit { close(raw) }

    /// Opens a file; always with `O_CLOEXEC`.
    init(opening path: String, _ flags: Int32, mode: mode_t = 0o600) throws(HypervisorError) {
        let raw = open(path, flags | O_CLOEXEC, mode)
        guard raw >= 0 else { throw .system("open \(path)") }
        self.init(owning: raw)
    }

    /// Opens a new file without a name; it is gone when it is closed.
    init(temporaryFileIn directory: String) throws(HypervisorError) {
        let path = "\(directory)/tmp-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
        let raw = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard raw >= 0 else { throw .system("create a temporary file in \(directory)") }
        unlink(path)
        self.init(owning: raw)
    }

    /// Reads all bytes from the current offset of a regular file, at most `limit`.
    func readAll(limit: Int) throws(HypervisorError) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < limit {
            let size = min(65_536, limit - bytes.count)
            var count = 0
            let chunk = [UInt8](unsafeUninitializedCapacity: size) { buffer, filled in
                repeat { count = read(raw, buffer.baseAddress, size) } while count < 0 && errno == EINTR
                filled = max(0, count)
            }
            if count < 0 { throw .system("read from a file") }
            if count == 0 { break }
            bytes += chunk
        }
        return bytes
    }

    /// Writes all bytes.
    func writeAll(_ bytes: [UInt8], to name: String) throws(HypervisorError) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { write(raw, $0.baseAddress.map { $0 + written }, bytes.count - written) }
            if count < 0 {
                if errno == EINTR { continue }
                throw .system("write \(name)")
            }
            written += count
        }
    }
}
