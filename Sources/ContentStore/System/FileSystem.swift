/// A system call that failed.
package struct SystemCallError: Error, Sendable, Hashable {
    /// The name of the call, such as `pwrite`.
    package var call: String
    /// The error number.
    package var number: Int32

    package init(_ call: String, _ number: Int32) {
        self.call = call
        self.number = number
    }
}

/// Every system call of the store, so that tests can fail any one of them.
///
/// Calls are as thin as possible: what is above decides about short reads and writes. Interrupted calls are repeated below.
package protocol FileSystem: Sendable {
    /// `open(2)`, close-on-exec.
    func open(_ path: String, flags: Int32, mode: UInt32) throws(SystemCallError) -> Int32
    /// `close(2)`; what it returns is of no use.
    func close(_ descriptor: Int32)
    /// `pread(2)`: the number of bytes read, 0 at the end of the file.
    func read(
        _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(SystemCallError) -> Int
    /// `pwrite(2)`: the number of bytes written, possibly fewer than asked.
    func write(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(SystemCallError) -> Int
    /// Asks the kernel to begin writing a range out, without waiting: `posix_fadvise(2)`. A hint only.
    func startWriteback(_ descriptor: Int32, at offset: UInt64, length: UInt64)
    /// `fsync(2)`, or `fdatasync(2)` when `dataOnly`.
    func synchronize(_ descriptor: Int32, dataOnly: Bool) throws(SystemCallError)
    /// The size of a file: `fstat(2)`.
    func size(of descriptor: Int32) throws(SystemCallError) -> UInt64
    /// Gives an unnamed file a name: `linkat(2)`; fails when the name is taken.
    func link(_ descriptor: Int32, as path: String) throws(SystemCallError)
    /// `rename(2)`: replaces what has the new name.
    func rename(_ old: String, to new: String) throws(SystemCallError)
    /// `unlink(2)`.
    func unlink(_ path: String) throws(SystemCallError)
    /// `mkdir(2)`.
    func makeDirectory(_ path: String, mode: UInt32) throws(SystemCallError)
    /// The permissions of a file or directory, the lowest nine bits of its mode: `stat(2)`.
    func mode(of path: String) throws(SystemCallError) -> UInt32
    /// The names in a directory, in no order, without `.` and `..`.
    func entries(of path: String) throws(SystemCallError) -> [String]
    /// `flock(2)`: false when somebody else holds the lock and `wait` is false.
    func lock(_ descriptor: Int32, exclusive: Bool, wait: Bool) throws(SystemCallError) -> Bool
    /// Maps a file for reading, shared: `mmap(2)`. `length` is not 0.
    func map(_ descriptor: Int32, length: Int) throws(SystemCallError) -> UnsafeRawPointer
    /// `munmap(2)`.
    func unmap(_ pointer: UnsafeRawPointer, length: Int)
    /// Whether this process may write in a directory: `faccessat(2)`.
    func isWritable(_ path: String) -> Bool
}

extension FileSystem {
    package func isWritable(_ path: String) -> Bool { true }
}
