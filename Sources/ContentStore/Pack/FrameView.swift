/// A frame in memory, read in place: for paths that look at one object of it.
///
/// Valid as long as the bytes are. The CRC of the header, and with it all digests and lengths, was found right.
struct FrameView {
    let codec: Codec
    let content: FrameContent
    /// The number of objects.
    let count: Int
    let plainLength: Int
    let storedLength: Int
    let storedCRC: UInt32
    private let bytes: UnsafeRawBufferPointer

    /// The size of the header with its records.
    var headerSize: Int { FrameHeader.fixedSize + FrameHeader.recordSize * count }
    /// The size of the whole frame, of which only the header need be in memory.
    var frameSize: Int { headerSize + storedLength }

    /// Checks a header; nil when it is cut short or anything in it is wrong.
    init?(_ bytes: UnsafeRawBufferPointer) {
        let span = bytes.bytes
        guard
            let size = FrameHeader.size(announcedBy: span), size <= bytes.count,
            let codecByte = span.integer(UInt8.self, at: 4), let codec = Codec(rawValue: codecByte),
            let contentByte = span.integer(UInt8.self, at: 5), let content = FrameContent(rawValue: contentByte),
            let plainLength = span.integer(UInt32.self, at: 8), plainLength <= FrameHeader.maximumPlainLength,
            let storedLength = span.integer(UInt32.self, at: 12),
            FrameView.isPossible(codec, stored: Int(storedLength), plain: Int(plainLength)),
            let storedCRC = span.integer(UInt32.self, at: 16),
            let headerCRC = span.integer(UInt32.self, at: 20)
        else { return nil }
        let actualCRC = CRC32C.checksum(
            bytes.part(FrameHeader.fixedSize, size - FrameHeader.fixedSize),
            continuing: CRC32C.checksum(bytes.part(0, 20)))
        guard actualCRC == headerCRC else { return nil }
        self.codec = codec
        self.content = content
        self.plainLength = Int(plainLength)
        self.storedLength = Int(storedLength)
        self.storedCRC = storedCRC
        self.bytes = bytes
        count = (size - FrameHeader.fixedSize) / FrameHeader.recordSize
        var total = 0
        for index in 0..<count { total += length(of: index) }
        guard total == plainLength else { return nil }
    }

    private static func isPossible(_ codec: Codec, stored: Int, plain: Int) -> Bool {
        switch codec {
        case .raw: stored == plain
        case .pieces: stored == PieceTable.size(plain: plain) + plain
        case .lz4, .zstd: stored <= plain
        }
    }

    // Unsafe, here and below: the records of all objects are within the bytes, as `init` made sure.
    private func record(_ index: Int) -> UnsafeRawPointer {
        precondition(index >= 0 && index < count)
        return bytes.baseAddress.unsafelyUnwrapped + FrameHeader.fixedSize + FrameHeader.recordSize * index
    }

    private func word(_ index: Int) -> UInt32 {
        UInt32(littleEndian: record(index).loadUnaligned(fromByteOffset: 32, as: UInt32.self))
    }

    func digest(of index: Int) -> Digest { Digest(loadingFrom: record(index)) }

    /// How many plain bytes of the frame are this object.
    func length(of index: Int) -> Int { Int(word(index) & ~FrameHeader.indirectBit) }

    func isIndirect(_ index: Int) -> Bool { word(index) & FrameHeader.indirectBit != 0 }

    /// Where the plain bytes of an object begin.
    func start(of index: Int) -> Int {
        var start = 0
        for earlier in 0..<index { start += length(of: earlier) }
        return start
    }

    /// The number of the object with this digest.
    func index(of digest: Digest) -> Int? {
        for index in 0..<count where self.digest(of: index) == digest { return index }
        return nil
    }

    /// Whether object `index` is a leaf of this size.
    func isLeaf(_ index: Int, size: Int) -> Bool { word(index) == UInt32(size) }

    /// The stored bytes, if they are all in memory and their CRC is right.
    func checkedBytes() -> UnsafeRawBufferPointer? {
        guard frameSize <= bytes.count else { return nil }
        let stored = bytes.part(headerSize, storedLength)
        return CRC32C.checksum(stored) == storedCRC ? stored : nil
    }

    /// The table of a frame in pieces, if it is in memory and sound.
    func pieceTable() -> UnsafeRawBufferPointer? {
        let size = PieceTable.size(plain: plainLength)
        guard codec == .pieces, headerSize + size <= bytes.count else { return nil }
        let table = bytes.part(headerSize, size)
        return PieceTable.isSound(table) ? table : nil
    }

    /// The plain bytes within stored bytes that are not compressed; nil for others.
    func plainBytes(in stored: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        switch codec {
        case .raw: stored
        case .pieces: stored.part(stored.count - plainLength, plainLength)
        case .lz4, .zstd: nil
        }
    }
}
