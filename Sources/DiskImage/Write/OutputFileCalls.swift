import Glibc

/// A system call that failed.
package struct OutputCallError: Error, Sendable, Hashable {
    /// The number of the error, such as `ENOSPC`.
    package var number: Int32

    package init(_ number: Int32) { self.number = number }
}

/// The system calls that make an image file, so that tests can fail any one of them.
///
/// Calls are as thin as possible: short writes are completed by the caller. Interrupted calls are repeated below.
package protocol OutputFileCalls: Sendable {
    /// `open(2)`, close-on-exec.
    func open(_ path: String, flags: Int32, mode: UInt32) throws(OutputCallError) -> Int32
    /// `pwrite(2)`: the number of bytes written, possibly fewer than asked.
    func write(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(OutputCallError) -> Int
    /// `ftruncate(2)`.
    func truncate(_ descriptor: Int32, to size: UInt64) throws(OutputCallError)
    /// `fsync(2)`.
    func synchronize(_ descriptor: Int32) throws(OutputCallError)
    /// Gives an unnamed file a name, or a named one (`path`) a second name: `linkat(2)`; fails when the name is taken.
    func link(_ source: String, as path: String) throws(OutputCallError)
    /// `rename(2)`: replaces what has the new name.
    func rename(_ old: String, to new: String) throws(OutputCallError)
    /// `unlink(2)`.
    func unlink(_ path: String) throws(OutputCallError)
}

/// The system calls themselves.
package struct SystemFileCalls: OutputFileCalls {
    package init() {}

    /// Repeats an interrupted call; negative means failure.
    private func call<Result: SignedInteger>(_ body: () -> Result) throws(OutputCallError) -> Result {
        while true {
            let result = body()
            if result >= 0 { return result }
            if errno != EINTR { throw OutputCallError(errno) }
        }
    }

    package func open(_ path: String, flags: Int32, mode: UInt32) throws(OutputCallError) -> Int32 {
        try call { Glibc.open(path, flags | O_CLOEXEC, mode) }
    }

    package func write(
        _ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, at offset: UInt64
    ) throws(OutputCallError) -> Int {
        guard let base = bytes.baseAddress else { return 0 }
        guard let position = off_t(exactly: offset) else { throw OutputCallError(EFBIG) }
        return try call { pwrite(descriptor, base, bytes.count, position) }
    }

    package func truncate(_ descriptor: Int32, to size: UInt64) throws(OutputCallError) {
        guard let length = off_t(exactly: size) else { throw OutputCallError(EFBIG) }
        _ = try call { ftruncate(descriptor, length) }
    }

    package func synchronize(_ descriptor: Int32) throws(OutputCallError) {
        _ = try call { fsync(descriptor) }
    }

    package func link(_ source: String, as path: String) throws(OutputCallError) {
        // Names in /proc/self/fd are links that have to be followed; a plain file is itself either way.
        _ = try call { linkat(AT_FDCWD, source, AT_FDCWD, path, Int32(AT_SYMLINK_FOLLOW)) }
    }

    package func rename(_ old: String, to new: String) throws(OutputCallError) {
        _ = try call { Glibc.rename(old, new) }
    }

    package func unlink(_ path: String) throws(OutputCallError) {
        _ = try call { Glibc.unlink(path) }
    }
}
