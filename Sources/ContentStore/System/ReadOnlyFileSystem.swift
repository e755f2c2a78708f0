import Glibc

/// A file system through which nothing can be changed, whatever the code above does: calls that would fail with `EROFS`.
struct ReadOnlyFileSystem: FileSystem {
    let base: any FileSystem

    private func refuse(_ call: String) -> SystemCallError { SystemCallError(call, EROFS) }

    func open(_ path: String, flags: Int32, mode: UInt32) throws(SystemCallError) -> Int32 {
        let changing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND
        guard flags & changing == 0 else { throw refuse("open") }
        return try base.open(path, flags: flags, mode: mode)
    }

    func close(_ descriptor: Int32) { base.close(descriptor) }

    func read(
        _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(SystemCallError) -> Int {
        try base.read(descriptor, into: buffer, at: offset)
    }

    func write(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(SystemCallError) -> Int {
        throw refuse("pwrite")
    }

    func startWriteback(_ descriptor: Int32, at offset: UInt64, length: UInt64) {}

    func synchronize(_ descriptor: Int32, dataOnly: Bool) throws(SystemCallError) { throw refuse("fsync") }

    func size(of descriptor: Int32) throws(SystemCallError) -> UInt64 { try base.size(of: descriptor) }

    func link(_ descriptor: Int32, as path: String) throws(SystemCallError) { throw refuse("linkat") }

    func rename(_ old: String, to new: String) throws(SystemCallError) { throw refuse("rename") }

    func unlink(_ path: String) throws(SystemCallError) { throw refuse("unlink") }

    func makeDirectory(_ path: String, mode: UInt32) throws(SystemCallError) { throw refuse("mkdir") }

    func mode(of path: String) throws(SystemCallError) -> UInt32 { try base.mode(of: path) }

    func entries(of path: String) throws(SystemCallError) -> [String] { try base.entries(of: path) }

    func lock(_ descriptor: Int32, exclusive: Bool, wait: Bool) throws(SystemCallError) -> Bool {
        try base.lock(descriptor, exclusive: exclusive, wait: wait)
    }

    func map(_ descriptor: Int32, length: Int) throws(SystemCallError) -> UnsafeRawPointer {
        try base.map(descriptor, length: length)
    }

    func unmap(_ pointer: UnsafeRawPointer, length: Int) { base.unmap(pointer, length: length) }

    func isWritable(_ path: String) -> Bool { false }
}
