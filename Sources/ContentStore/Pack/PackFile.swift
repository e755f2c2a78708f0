import Glibc

/// A pack opened for reading. Any number of threads may read it.
final class PackFile: Sendable {
    private let file: FileDescriptor
    /// The size when it was opened; a published pack never changes.
    let size: UInt64

    var path: String { file.path }

    init(_ path: String, in fileSystem: any FileSystem) throws(StoreError) {
        let file = try FileDescriptor(path, flags: O_RDONLY, in: fileSystem, "opening a pack")
        size = try file.size()
        self.file = file
    }

    func damage(_ what: String, at offset: UInt64) -> StoreError {
        StoreError(
            .damaged, "\(what) at offset \(offset) of a pack; `store verify` lists what is affected", path: file.path)
    }

    /// Reads exactly these bytes.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError) {
        guard try file.read(into: buffer, at: offset) == buffer.count else {
            throw damage("bytes are missing", at: offset)
        }
    }

    /// Reads exactly these bytes.
    func read(at offset: UInt64, count: Int) throws(StoreError) -> [UInt8] {
        guard count >= 0, offset <= size, UInt64(count) <= size - offset else {
            throw damage("\(count) bytes are expected", at: offset)
        }
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withMutableBytes { buffer throws(StoreError) in try read(into: buffer, at: offset) }
        return bytes
    }

    /// Reads a frame and checks both of its CRCs.
    ///
    /// - Parameter sizeHint: how much to read at first; more is read when the header says so.
    func frame(at offset: UInt64, sizeHint: Int) throws(StoreError) -> StoredFrame {
        guard offset < size else { throw damage("a frame is expected", at: offset) }
        let most = size - offset
        var bytes = try readStart(at: offset, count: Int(min(UInt64(max(sizeHint, FrameHeader.fixedSize)), most)))
        if let headerSize = FrameHeader.size(announcedBy: bytes.span.bytes), headerSize > bytes.count {
            try extend(&bytes, to: headerSize, at: offset)
        }
        guard let header = FrameHeader(parsing: bytes.span.bytes) else {
            throw damage("there is no sound frame header", at: offset)
        }
        if header.frameSize > bytes.count { try extend(&bytes, to: header.frameSize, at: offset) }
        guard let frame = StoredFrame(checking: bytes, header: header) else {
            throw damage("the bytes of the frame are damaged", at: offset)
        }
        return frame
    }

    /// Reads the start of a frame, and what follows as far as it is of use.
    private func readStart(at offset: UInt64, count: Int) throws(StoreError) -> [UInt8] {
        do throws(StoreError) {
            return try read(at: offset, count: count)
        } catch {
            // A sector that cannot be read may lie behind the end of a short frame.
            guard error.code == .io, count > FrameHeader.fixedSize else { throw error }
            return try read(at: offset, count: FrameHeader.fixedSize)
        }
    }

    private func extend(_ bytes: inout [UInt8], to count: Int, at offset: UInt64) throws(StoreError) {
        bytes += try read(at: offset + UInt64(bytes.count), count: count - bytes.count)
    }

    /// Reads a frame into a buffer that is made larger when it must be, and checks the CRC of its header.
    ///
    /// - Parameter isWhole: read all of it; else what the hint covers, which is at least the header.
    /// - Returns: the frame, valid until the buffer is used again. The CRC of the stored bytes is not checked yet.
    func frame(
        at offset: UInt64, sizeHint: Int, isWhole: Bool = true, into buffer: GrowingBuffer
    ) throws(StoreError) -> FrameView {
        guard offset < size else { throw damage("a frame is expected", at: offset) }
        let most = size - offset
        var count = Int(min(UInt64(max(sizeHint, FrameHeader.fixedSize)), most))
        try read(into: buffer.bytes(count), at: offset)
        func complete(to needed: Int) throws(StoreError) -> UnsafeRawBufferPointer {
            guard needed > count else { return UnsafeRawBufferPointer(buffer.bytes(count)) }
            guard UInt64(needed) <= most else { throw damage("\(needed) bytes are expected", at: offset) }
            try read(into: buffer.bytes(needed, keeping: count).part(count, needed - count), at: offset + UInt64(count))
            count = needed
            return UnsafeRawBufferPointer(buffer.bytes(needed))
        }
        let headerSize = FrameHeader.size(announcedBy: UnsafeRawBufferPointer(buffer.bytes(count)).bytes)
        guard let header = FrameView(try complete(to: headerSize ?? 0)) else {
            throw damage("there is no sound frame header", at: offset)
        }
        guard isWhole, header.frameSize > count else { return header }
        guard let frame = FrameView(try complete(to: header.frameSize)) else {
            throw damage("there is no sound frame header", at: offset)
        }
        return frame
    }

    /// Reads the header of a frame, and nothing of its bytes.
    func frameHeader(at offset: UInt64) throws(StoreError) -> FrameHeader {
        let guess = FrameHeader.fixedSize + 16 * FrameHeader.recordSize
        guard offset < size else { throw damage("a frame is expected", at: offset) }
        var bytes = try readStart(at: offset, count: Int(min(UInt64(guess), size - offset)))
        if let headerSize = FrameHeader.size(announcedBy: bytes.span.bytes), headerSize > bytes.count {
            try extend(&bytes, to: headerSize, at: offset)
        }
        guard let header = FrameHeader(parsing: bytes.span.bytes) else {
            throw damage("there is no sound frame header", at: offset)
        }
        return header
    }
}
