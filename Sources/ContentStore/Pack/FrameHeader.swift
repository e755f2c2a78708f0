/// What is in a frame, as a hint for tools.
package enum FrameContent: UInt8, Sendable, Hashable, CaseIterable {
    case chunks = 0
    case pages = 1
    case small = 2
}

/// One object of a frame.
struct ObjectRecord: Hashable, Sendable {
    /// The identity of the object.
    var digest: Digest
    /// The number of plain bytes in the frame.
    var length: Int
    /// The bytes are the list of the blob's parts, not the blob.
    var isIndirect: Bool
}

/// The self-describing start of a frame. See <doc:Format#Packs>.
struct FrameHeader: Hashable, Sendable {
    static let magic: StaticString = "SFRM"
    static let fixedSize = 24
    static let recordSize = 36
    /// The most plain bytes of a frame.
    static let maximumPlainLength = 1 << 20
    /// The most plain bytes of a frame of pages or small objects; only lists of parts may need more.
    static let usualPlainLength = 65_536
    static let indirectBit: UInt32 = 1 << 31

    var codec: Codec
    var content: FrameContent
    var plainLength: Int
    var storedLength: Int
    /// CRC of the stored bytes.
    var storedCRC: UInt32
    var records: [ObjectRecord]

    /// The size of the header with its records.
    var size: Int { FrameHeader.fixedSize + FrameHeader.recordSize * records.count }
    /// The size of the whole frame.
    var frameSize: Int { size + storedLength }

    init(
        codec: Codec, content: FrameContent, plainLength: Int, storedLength: Int, storedCRC: UInt32,
        records: [ObjectRecord]
    ) {
        self.codec = codec
        self.content = content
        self.plainLength = plainLength
        self.storedLength = storedLength
        self.storedCRC = storedCRC
        self.records = records
    }

    /// The size of the header that these first bytes announce; nil when they are no frame.
    static func size(announcedBy bytes: RawSpan) -> Int? {
        guard bytes.has(magic, at: 0), let count = bytes.integer(UInt16.self, at: 6), count > 0 else { return nil }
        return fixedSize + recordSize * Int(count)
    }

    /// Reads and checks a header; nil when it is cut short or anything in it is wrong.
    init?(parsing bytes: RawSpan) {
        let header = bytes.withUnsafeBytes { buffer in FrameView(buffer).map { FrameHeader($0) } }
        guard let header else { return nil }
        self = header
    }

    init(_ view: FrameView) {
        let records = (0..<view.count).map { index in
            ObjectRecord(
                digest: view.digest(of: index), length: view.length(of: index), isIndirect: view.isIndirect(index))
        }
        self.init(
            codec: view.codec, content: view.content, plainLength: view.plainLength, storedLength: view.storedLength,
            storedCRC: view.storedCRC, records: records)
    }

    /// Writes the header. The caller guarantees `size` bytes of room.
    func write(to target: UnsafeMutableRawBufferPointer) {
        func put(_ number: some FixedWidthInteger & BitwiseCopyable, _ offset: Int) {
            target.storeBytes(of: number.littleEndian, toByteOffset: offset, as: type(of: number))
        }
        FrameHeader.magic.withUTF8Buffer { target.part(0, 4).copyBytes(from: $0) }
        put(codec.rawValue, 4)
        put(content.rawValue, 5)
        put(UInt16(records.count), 6)
        put(UInt32(plainLength), 8)
        put(UInt32(storedLength), 12)
        put(storedCRC, 16)
        var offset = FrameHeader.fixedSize
        for record in records {
            record.digest.store(to: target.part(offset, 32).baseAddress.unsafelyUnwrapped)
            put(UInt32(record.length) | (record.isIndirect ? FrameHeader.indirectBit : 0), offset + 32)
            offset += FrameHeader.recordSize
        }
        let whole = UnsafeRawBufferPointer(target)
        let crc = CRC32C.checksum(
            whole.part(FrameHeader.fixedSize, offset - FrameHeader.fixedSize),
            continuing: CRC32C.checksum(whole.part(0, 20)))
        put(crc, 20)
    }
}
