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

/// Makes frames; several threads may at the same time.
struct FrameEncoder: Sendable {
    /// What frames of disks, nodes and blobs are compressed with.
    let compression: Compression
    /// What frames of pages are compressed with.
    let memoryCompression: Compression
    /// Tables of the compressors, one set for each thread at work.
    private let contexts = Pool<CodecContext>(limit: 16) { CodecContext() }

    init(compression: Compression, memoryCompression: Compression? = nil) {
        self.compression = compression
        self.memoryCompression = memoryCompression ?? compression
    }

    /// How much room a frame may need.
    static func bound(plain: Int, records: Int) -> Int {
        FrameHeader.fixedSize + FrameHeader.recordSize * records + PieceTable.size(plain: plain) + plain
    }

    /// What is not compressed and at least so long is stored in pieces that can be read alone.
    static let leastPieces = 16 << 10

    /// Writes a frame to a target with `bound` bytes of room.
    ///
    /// - Returns: the size of the frame.
    func encode(
        _ plain: UnsafeRawBufferPointer, _ records: [ObjectRecord], _ content: FrameContent,
        into target: UnsafeMutableRawBufferPointer
    ) -> Int {
        let headerSize = FrameHeader.fixedSize + FrameHeader.recordSize * records.count
        let room = target.part(headerSize, PieceTable.size(plain: plain.count) + plain.count)
        var codec = Codec.raw
        var count = plain.count
        let compression = content == .pages ? memoryCompression : compression
        if let compressed = contexts.with({ compression.compress(plain, into: room, with: $0) }) {
            codec = compressed.codec
            count = compressed.count
        } else if plain.count >= FrameEncoder.leastPieces {
            codec = .pieces
            let table = PieceTable.size(plain: plain.count)
            PieceTable.write(plain, to: room.part(0, table))
            room.part(table, plain.count).copyMemory(from: plain)
            count += table
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
