import ContentStore
import Glibc
import Synchronization

/// The real file system, with sectors that cannot be read, and with notes of what was synced.
final class HookedFileSystem: FileSystem {
    private struct State {
        /// By inode, as a bad sector has no name.
        var unreadable: [UInt64: [Range<UInt64>]] = [:]
        var synced: [String] = []
    }

    private let real = SystemFileSystem()
    private let state = Mutex(State())

    /// Makes part of a file unreadable, under whatever name it is read.
    func damage(_ path: String, _ range: Range<UInt64>) {
        var status = stat()
        guard stat(path, &status) == 0 else { return }
        state.withLock { $0.unreadable[UInt64(status.st_ino), default: []].append(range) }
    }

    /// The paths of what was synced, in order.
    var synced: [String] { state.withLock { $0.synced } }

    func open(_ path: String, flags: Int32, mode: UInt32) throws(SystemCallError) -> Int32 {
        try real.open(path, flags: flags, mode: mode)
    }

    func close(_ descriptor: Int32) { real.close(descriptor) }

    func read(
        _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(SystemCallError) -> Int {
        var status = stat()
        fstat(descriptor, &status)
        let bad = state.withLock { $0.unreadable[UInt64(status.st_ino)] ?? [] }
        let range = offset..<offset + UInt64(buffer.count)
        // What comes before the bad sector is read, as the kernel does it.
        let start = bad.filter { $0.overlaps(range) }.map(\.lowerBound).min() ?? range.upperBound
        guard start > offset || range.isEmpty else { throw SystemCallError("pread", EIO) }
        let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(start - offset)])
        return try real.read(descriptor, into: part, at: offset)
    }

    func write(
        _ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, at offset: UInt64
    ) throws(SystemCallError) -> Int {
        try real.write(descriptor, bytes, at: offset)
    }

    func startWriteback(_ descriptor: Int32, at offset: UInt64, length: UInt64) {}

    func synchronize(_ descriptor: Int32, dataOnly: Bool) throws(SystemCallError) {
        var target = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/fd/\(descriptor)", &target, 4095)
        let path = String(decoding: target.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        state.withLock { $0.synced.append(path) }
    }

    func size(of descriptor: Int32) throws(SystemCallError) -> UInt64 { try real.size(of: descriptor) }
    func link(_ descriptor: Int32, as path: String) throws(SystemCallError) { try real.link(descriptor, as: path) }
    func rename(_ old: String, to new: String) throws(SystemCallError) { try real.rename(old, to: new) }
    func unlink(_ path: String) throws(SystemCallError) { try real.unlink(path) }
    func makeDirectory(_ path: String, mode: UInt32) throws(SystemCallError) {
        try real.makeDirectory(path, mode: mode)
    }
    func mode(of path: String) throws(SystemCallError) -> UInt32 { try real.mode(of: path) }
    func entries(of path: String) throws(SystemCallError) -> [String] { try real.entries(of: path) }
    func lock(_ descriptor: Int32, exclusive: Bool, wait: Bool) throws(SystemCallError) -> Bool {
        try real.lock(descriptor, exclusive: exclusive, wait: wait)
    }
    func map(_ descriptor: Int32, length: Int) throws(SystemCallError) -> UnsafeRawPointer {
        try real.map(descriptor, length: length)
    }
    func unmap(_ pointer: UnsafeRawPointer, length: Int) { real.unmap(pointer, length: length) }
}
