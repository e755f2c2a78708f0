import Glibc

/// The system calls themselves.
package struct SystemFileSystem: FileSystem {
    package init() {}

    /// Repeats an interrupted call; negative means failure.
    private func call<Result: SignedInteger>(
        _ name: String, _ body: () -> Result
    ) throws(SystemCallError) -> Result {
        while true {
            let result = body()
            if result >= 0 { return result }
            if errno != EINTR { throw SystemCallError(name, errno) }
        }
    }

    package func open(_ path: String, flags: Int32, mode: UInt32) throws(SystemCallError) -> Int32 {
        try call("open") { Glibc.open(path, flags | O_CLOEXEC, mode) }
    }

    package func close(_ descriptor: Int32) {
        _ = Glibc.close(descriptor)
    }

    package func read(
        _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(SystemCallError) -> Int {
        guard let base = buffer.baseAddress, let position = off_t(exactly: offset) else { return 0 }
        return try call("pread") { pread(descriptor, base, buffer.count, position) }
    }

    package func write(
        _ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, at offset: UInt64
    ) throws(SystemCallError) -> Int {
        guard let base = bytes.baseAddress else { return 0 }
        guard let position = off_t(exactly: offset) else { throw SystemCallError("pwrite", EFBIG) }
        return try call("pwrite") { pwrite(descriptor, base, bytes.count, position) }
    }

    package func startWriteback(_ descriptor: Int32, at offset: UInt64, length: UInt64) {
        guard let offset = off_t(exactly: offset), let length = off_t(exactly: length) else { return }
        // For pages that are dirty Linux answers this advice by beginning to write them, and keeps them meanwhile.
        _ = posix_fadvise(descriptor, offset, length, POSIX_FADV_DONTNEED)
    }

    package func synchronize(_ descriptor: Int32, dataOnly: Bool) throws(SystemCallError) {
        _ = try call(dataOnly ? "fdatasync" : "fsync") { dataOnly ? fdatasync(descriptor) : fsync(descriptor) }
    }

    package func size(of descriptor: Int32) throws(SystemCallError) -> UInt64 {
        var status = stat()
        _ = try call("fstat") { fstat(descriptor, &status) }
        return UInt64(clamping: status.st_size)
    }

    package func link(_ descriptor: Int32, as path: String) throws(SystemCallError) {
        // AT_EMPTY_PATH would need a capability; the name in /proc needs none.
        _ = try call("linkat") {
            linkat(AT_FDCWD, "/proc/self/fd/\(descriptor)", AT_FDCWD, path, Int32(AT_SYMLINK_FOLLOW))
        }
    }

    package func rename(_ old: String, to new: String) throws(SystemCallError) {
        _ = try call("rename") { Glibc.rename(old, new) }
    }

    package func unlink(_ path: String) throws(SystemCallError) {
        _ = try call("unlink") { Glibc.unlink(path) }
    }

    package func makeDirectory(_ path: String, mode: UInt32) throws(SystemCallError) {
        _ = try call("mkdir") { mkdir(path, mode) }
    }

    package func mode(of path: String) throws(SystemCallError) -> UInt32 {
        var status = stat()
        _ = try call("stat") { stat(path, &status) }
        return status.st_mode & 0o777
    }

    package func entries(of path: String) throws(SystemCallError) -> [String] {
        guard let directory = opendir(path) else { throw SystemCallError("opendir", errno) }
        defer { closedir(directory) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(directory) else {
                if errno != 0 { throw SystemCallError("readdir", errno) }
                return names
            }
            let name: String? = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                let bytes = bytes[..<(bytes.firstIndex(of: 0) ?? bytes.endIndex)]
                let isDots = bytes.count <= 2 && bytes.allSatisfy { $0 == UInt8(ascii: ".") }
                return isDots ? nil : String(decoding: bytes, as: UTF8.self)
            }
            if let name { names.append(name) }
        }
    }

    package func lock(_ descriptor: Int32, exclusive: Bool, wait: Bool) throws(SystemCallError) -> Bool {
        let mode = (exclusive ? LOCK_EX : LOCK_SH) | (wait ? 0 : LOCK_NB)
        do {
            _ = try call("flock") { flock(descriptor, mode) }
            return true
        } catch {
            if error.number == EWOULDBLOCK { return false }
            throw error
        }
    }

    package func map(_ descriptor: Int32, length: Int) throws(SystemCallError) -> UnsafeRawPointer {
        guard let pointer = mmap(nil, length, PROT_READ, MAP_SHARED, descriptor, 0), pointer != MAP_FAILED else {
            throw SystemCallError("mmap", errno)
        }
        return UnsafeRawPointer(pointer)
    }

    package func unmap(_ pointer: UnsafeRawPointer, length: Int) {
        munmap(UnsafeMutableRawPointer(mutating: pointer), length)
    }

    package func isWritable(_ path: String) -> Bool {
        // By the effective user, as the writing would be.
        faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0
    }
}
