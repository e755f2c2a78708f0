import Glibc

/// Bytes at a fixed address that never change: a mapped file or memory of the heap.
///
/// `@unchecked Sendable`: the pointer is set once, and nobody writes through it.
final class StableBytes: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer
    private let release: @Sendable (UnsafeRawBufferPointer) -> Void

    /// Copies bytes to the heap.
    init(copying source: [UInt8]) {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(source.count, 1), alignment: 16)
        copy.copyBytes(from: source)
        bytes = UnsafeRawBufferPointer(rebasing: copy[..<source.count])
        release = { UnsafeMutableRawPointer(mutating: $0.baseAddress)?.deallocate() }
    }

    /// Maps a whole file, whose descriptor may be closed afterwards. An index is replaced, never cut short or changed in place,
    /// so that its mapping stays whole.
    init(mapping file: borrowing FileDescriptor) throws(StoreError) {
        let size = try file.size()
        guard let length = Int(exactly: size), length > 0 else {
            throw StoreError(.damaged, "the file is empty", path: file.path)
        }
        let fileSystem = file.fileSystem
        let raw = file.raw
        let pointer = try calling("mapping a file", path: file.path) { () throws(SystemCallError) in
            try fileSystem.map(raw, length: length)
        }
        bytes = UnsafeRawBufferPointer(start: pointer, count: length)
        release = { bytes in
            if let base = bytes.baseAddress { fileSystem.unmap(base, length: bytes.count) }
        }
    }

    deinit {
        release(bytes)
    }
}
