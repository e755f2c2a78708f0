/// A raw image: byte n of the file is byte n of the disk.
///
/// Holes of the file are `.zero` extents. The size is rounded up to a multiple of 512; the rest reads as zeros.
package struct RawImage: DiskImage {
    package let virtualSize: UInt64
    let file: ImageFile
    private let fileSize: UInt64

    /// Opens a raw image.
    ///
    /// - Throws: `.cannotOpen`, `.io`.
    package init(path: String) throws(DiskImageError) {
        try self.init(file: ImageFile(path: path))
    }

    init(file: ImageFile) throws(DiskImageError) {
        self.file = file
        fileSize = try file.size()
        // File sizes end at 2^63 - 1, so that this cannot overflow.
        virtualSize = (fileSize + 511) / 512 * 512
    }

    package func extents(from offset: UInt64, length: UInt64) throws(DiskImageError) -> [DiskExtent] {
        try checkRange(offset, length)
        let end = offset + length
        var extents: [DiskExtent] = []
        var position = offset
        while position < end {
            let data = min(try file.next(.data, from: position) ?? end, end)
            if data > position {
                try extents.append(merging: DiskExtent(offset: position, length: data - position, kind: .zero))
            }
            // A file that changes meanwhile may answer a hole before the data: at least one byte of progress.
            let hole = data < end ? min(max(try file.next(.hole, from: data) ?? end, data + 1), end) : end
            try extents.append(merging: DiskExtent(offset: data, length: hole - data, kind: .data))
            position = hole
        }
        return extents
    }

    package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(DiskImageError) {
        try checkRange(offset, UInt64(buffer.count))
        let available = offset < fileSize ? Int(clamping: fileSize - offset) : 0
        let stored = min(available, buffer.count)
        try file.read(
            at: offset, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<stored]), what: "disk contents")
        UnsafeMutableRawBufferPointer(rebasing: buffer[stored...]).zero()
    }
}

extension UnsafeMutableRawBufferPointer {
    /// Overwrites the buffer with zeros.
    ///
    /// Not inlined: Swift 6.3.1 turns a memset at the end of a throwing function into a jump that can leave a stray value in the
    /// register of the thrown error.
    @inline(never) func zero() { initializeMemory(as: UInt8.self, repeating: 0) }

    /// The part from `start`, `count` bytes long.
    func slice(_ start: Int, _ count: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: self[start..<start + count])
    }
}
