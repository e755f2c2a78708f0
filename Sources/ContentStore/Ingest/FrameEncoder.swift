import Glibc

/// Objects put together for one frame.
struct FrameBuilder {
    let content: FrameContent
    private(set) var records: [ObjectRecord] = []
    private(set) var plain: [UInt8] = []

    init(_ content: FrameContent) {
        self.content = content
    }

    var isEmpty: Bool { records.isEmpty }

    /// Whether an object of this length can be added without passing the usual size of a frame.
    func fits(_ count: Int) -> Bool {
        plain.count + count <= FrameHeader.usualPlainLength && records.count < Int(UInt16.max)
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer, _ record: ObjectRecord) {
        plain.append(contentsOf: bytes)
        records.append(record)
    }

    mutating func removeAll() {
        records.removeAll(keepingCapacity: true)
        plain.removeAll(keepingCapacity: true)
    }
}

/// Makes frames. Has no state, so that several threads may.
struct FrameEncoder: Sendable {
    let compression: Compression

    /// How much room a frame may need.
    static func bound(plain: Int, records: Int) -> Int {
        FrameHeader.fixedSize + FrameHeader.recordSize * records + plain
    }

    /// Writes a frame to a target with `bound` bytes of room.
    ///
    /// - Returns: the size of the frame.
    func encode(
        _ plain: UnsafeRawBufferPointer, _ records: [ObjectRecord], _ content: FrameContent,
        into target: UnsafeMutableRawBufferPointer
    ) -> Int {
        let headerSize = FrameHeader.fixedSize + FrameHeader.recordSize * records.count
        let room = target.part(headerSize, plain.count)
        var codec = Codec.raw
        var count = plain.count
        if let compressed = compression.compress(plain, into: room) {
            codec = compressed.codec
            count = compressed.count
        } else {
            room.copyMemory(from: plain)
        }
        let header = FrameHeader(
            codec: codec, content: content, plainLength: plain.count, storedLength: count,
            storedCRC: CRC32C.checksum(UnsafeRawBufferPointer(room.part(0, count))), records: records)
        header.write(to: target)
        return headerSize + count
    }
}
