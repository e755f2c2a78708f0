import Glibc

/// Objects put together for one frame.
struct FrameBuilder {
    let content: FrameContent
    /// How many plain bytes it takes, unless a single object is longer.
    let capacity: Int
    private(set) var records: [ObjectRecord] = []
    private(set) var plain: [UInt8] = []

    init(_ content: FrameContent, capacity: Int = FrameHeader.usualPlainLength) {
        self.content = content
        self.capacity = capacity
    }

    var isEmpty: Bool { records.isEmpty }

    /// Whether an object of this length can be added without passing the capacity.
    func fits(_ count: Int) -> Bool {
        plain.count + count <= capacity && records.count < Int(UInt16.max)
    }

    /// Whether it takes nothing more.
    var isFull: Bool { plain.count >= capacity }

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

    /// How much room a frame may need, or the frames of its objects one by one.
    static func bound(plain: Int, records: Int) -> Int {
        // Each object alone has a header and a table of its own.
        (FrameHeader.fixedSize + FrameHeader.recordSize + 12) * records + PieceTable.size(plain: plain) + plain
    }

    /// The most plain bytes of chunks that share a frame by itself, in the usual number for the compression.
    var chunkCapacity: Int { compression.usualChunksPerFrame * TreeShape(.disk).leafSize }

    /// What is not compressed and at least so long is stored in pieces that can be read alone.
    static let leastPieces = 16 << 10

    /// Writes objects to a target with `bound` bytes of room, as one frame; chunks that do not compress together as one frame each, so
    /// that reading one, or damage to one, does not touch the others.
    ///
    /// - Returns: the sizes of the frames, which lie one after the other: one for all objects, or one for each.
    func encodeAll(
        _ plain: UnsafeRawBufferPointer, _ records: [ObjectRecord], _ content: FrameContent,
        into target: UnsafeMutableRawBufferPointer
    ) -> [Int] {
        let size = encode(plain, records, content, into: target)
        // Unsafe: the header was just written there.
        guard content == .chunks, records.count > 1,
            target.load(fromByteOffset: 4, as: UInt8.self) == Codec.pieces.rawValue
        else { return [size] }
        var start = 0
        var position = 0
        return records.map { record in
            let end = target.count - position
            let size = encode(plain.part(start, record.length), [record], content, into: target.part(position, end))
            start += record.length
            position += size
            return size
        }
    }

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
