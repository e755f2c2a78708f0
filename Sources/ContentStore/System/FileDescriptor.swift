import Glibc

/// An open file, closed when its owner goes away.
struct FileDescriptor: ~Copyable {
    let raw: Int32
    /// The path it was opened by, for messages.
    let path: String
    let fileSystem: any FileSystem

    /// Opens a file or directory.
    ///
    /// - Parameter mode: the permissions of a file that is made.
    init(
        _ path: String, flags: Int32, mode: UInt32 = 0o600, in fileSystem: any FileSystem, _ action: String
    ) throws(StoreError) {
        raw = try calling(action, path: path) { () throws(SystemCallError) in
            try fileSystem.open(path, flags: flags, mode: mode)
        }
        self.path = path
        self.fileSystem = fileSystem
    }

    deinit {
        fileSystem.close(raw)
    }

    /// The size of the file in bytes.
    func size() throws(StoreError) -> UInt64 {
        try calling("reading the size of a file", path: path) { () throws(SystemCallError) in
            try fileSystem.size(of: raw)
        }
    }

    /// Reads until the buffer is full or the file ends; returns the number of bytes read.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int {
        var done = 0
        while done < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            let count = try calling("reading", path: path) { () throws(SystemCallError) in
                try fileSystem.read(raw, into: rest, at: offset + UInt64(done))
            }
            if count <= 0 { break }
            done += count
        }
        return done
    }

    /// Writes all bytes.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) {
        try FileDescriptor.write(bytes, to: raw, at: offset, path: path, fileSystem: fileSystem)
    }

    /// Writes all bytes to a descriptor that its owner keeps open meanwhile.
    static func write(
        _ bytes: UnsafeRawBufferPointer, to raw: Int32, at offset: UInt64, path: String, fileSystem: any FileSystem
    ) throws(StoreError) {
        var done = 0
        while done < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
            let count = try calling("writing", path: path) { () throws(SystemCallError) in
                try fileSystem.write(raw, rest, at: offset + UInt64(done))
            }
            if count <= 0 { throw StoreError(SystemCallError("pwrite", EIO), "writing", path: path) }
            done += count
        }
    }

    /// Waits until the bytes (and the size) of the file are on disk; with `dataOnly` false also its other attributes.
    func synchronize(dataOnly: Bool) throws(StoreError) {
        try calling("waiting for bytes to reach the disk", path: path) { () throws(SystemCallError) in
            try fileSystem.synchronize(raw, dataOnly: dataOnly)
        }
    }

    /// Takes a lock on the open file; false when it is held elsewhere and `wait` is false.
    func lock(exclusive: Bool, wait: Bool) throws(StoreError) -> Bool {
        try calling("locking", path: path) { () throws(SystemCallError) in
            try fileSystem.lock(raw, exclusive: exclusive, wait: wait)
        }
    }

    /// Waits until the names in a directory are on disk.
    static func synchronizeDirectory(_ path: String, in fileSystem: any FileSystem) throws(StoreError) {
        let directory = try FileDescriptor(
            path, flags: O_RDONLY | O_DIRECTORY, in: fileSystem, "opening a directory of the store")
        try directory.synchronize(dataOnly: false)
    }

    /// Reads a small file whole. More than `limit` bytes is damage.
    static func contents(
        of path: String, limit: Int, in fileSystem: any FileSystem
    ) throws(StoreError) -> [UInt8] {
        let file = try FileDescriptor(path, flags: O_RDONLY, in: fileSystem, "opening a file of the store")
        let size = try file.size()
        guard size <= UInt64(limit) else {
            throw StoreError(.damaged, "the file is larger than any of its kind (\(size) bytes)", path: path)
        }
        var bytes = [UInt8](repeating: 0, count: Int(size))
        let count = try bytes.withMutableBytes { buffer throws(StoreError) in try file.read(into: buffer, at: 0) }
        bytes.removeLast(bytes.count - count)
        return bytes
    }
}
