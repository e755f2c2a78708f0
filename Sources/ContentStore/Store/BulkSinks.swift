import Glibc

/// Hands pieces to a closure.
struct ClosureSink: BulkSink {
    let body: @Sendable (UInt64, UnsafeRawBufferPointer) throws -> Void

    var wantsZeros: Bool { false }
    func destination(_ offset: UInt64, _ count: Int) -> UnsafeMutableRawBufferPointer? { nil }
    func deliver(_ offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws { try body(offset, bytes) }
    func zero(_ offset: UInt64, _ count: UInt64) {}
}

/// Fills memory.
///
/// `@unchecked Sendable`: the ranges that threads fill do not overlap, and the caller keeps the memory until all are done.
struct MemorySink: BulkSink, @unchecked Sendable {
    let memory: UnsafeMutableRawBufferPointer
    /// The offset in the tree of the first byte.
    let origin: UInt64
    let wantsZeros: Bool

    // The reader stays within the range that was asked for, which is as long as the memory.
    func destination(_ offset: UInt64, _ count: Int) -> UnsafeMutableRawBufferPointer? {
        memory.part(Int(offset - origin), count)
    }

    @inline(never)
    func deliver(_ offset: UInt64, _ bytes: UnsafeRawBufferPointer) {
        memory.part(Int(offset - origin), bytes.count).copyMemory(from: bytes)
    }

    @inline(never)
    func zero(_ offset: UInt64, _ count: UInt64) {
        memory.part(Int(offset - origin), Int(count)).initializeMemory(as: UInt8.self, repeating: 0)
    }
}

/// Writes to a file, with holes, or to a block device or into another file, with zeros.
struct FileSink: BulkSink {
    let descriptor: Int32
    let name: String
    /// Where the tree begins in the file.
    let origin: UInt64
    let fileSystem: any FileSystem
    let wantsZeros: Bool

    /// Makes the file as long as it will be. A file that is written from its start on is emptied before, so that it has holes.
    init(
        _ descriptor: Int32, name: String, origin: UInt64, length: UInt64, fileSystem: any FileSystem
    ) throws(StoreError) {
        self.descriptor = descriptor
        self.name = name
        self.origin = origin
        self.fileSystem = fileSystem
        guard origin <= UInt64(Int64.max), length <= UInt64(Int64.max) - origin,
            let end = off_t(exactly: origin + length)
        else { throw StoreError(.invalid, "a file cannot hold \(length) bytes at offset \(origin)", path: name) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw StoreError(SystemCallError("fstat", errno), "looking at the file", path: name)
        }
        let isFile = status.st_mode & S_IFMT == S_IFREG
        var size = status.st_size
        if isFile, origin == 0, size > 0 {
            try FileSink.resize(descriptor, to: 0, name: name)
            size = 0
        }
        wantsZeros = !isFile || UInt64(clamping: size) > origin
        if isFile, size < end { try FileSink.resize(descriptor, to: end, name: name) }
    }

    private static func resize(_ descriptor: Int32, to size: off_t, name: String) throws(StoreError) {
        guard ftruncate(descriptor, size) == 0 else {
            throw StoreError(SystemCallError("ftruncate", errno), "changing the size of the file", path: name)
        }
    }

    func destination(_ offset: UInt64, _ count: Int) -> UnsafeMutableRawBufferPointer? { nil }

    func deliver(_ offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws {
        try FileDescriptor.write(bytes, to: descriptor, at: origin + offset, path: name, fileSystem: fileSystem)
    }

    func zero(_ offset: UInt64, _ count: UInt64) throws {
        let zeros = [UInt8](repeating: 0, count: Int(min(count, 1 << 20)))
        var done: UInt64 = 0
        while done < count {
            let piece = Int(min(count - done, UInt64(zeros.count)))
            try zeros.withUnsafeBytes { try deliver(offset + done, $0.part(0, piece)) }
            done += UInt64(piece)
        }
    }
}
