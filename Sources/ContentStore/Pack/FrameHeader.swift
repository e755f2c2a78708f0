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
    /// The most plain bytes of a frame of ordinary objects; only lists of parts may need more.
    static let usualPlainLength = 65_536
    private static let indirectBit: UInt32 = 1 << 31

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
        guard
            let size = FrameHeader.size(announcedBy: bytes), size <= bytes.byteCount,
            let codecByte = bytes.integer(UInt8.self, at: 4), let codec = Codec(rawValue: codecByte),
            let contentByte = bytes.integer(UInt8.self, at: 5), let content = FrameContent(rawValue: contentByte),
            let plainLength = bytes.integer(UInt32.self, at: 8), plainLength <= FrameHeader.maximumPlainLength,
            let storedLength = bytes.integer(UInt32.self, at: 12), storedLength <= plainLength,
            codec != .raw || storedLength == plainLength,
            let storedCRC = bytes.integer(UInt32.self, at: 16),
            let headerCRC = bytes.integer(UInt32.self, at: 20)
        else { return nil }
        let actualCRC = bytes.withUnsafeBytes { buffer in
            CRC32C.checksum(
                buffer.part(FrameHeader.fixedSize, size - FrameHeader.fixedSize),
                continuing: CRC32C.checksum(buffer.part(0, 20)))
        }
        guard actualCRC == headerCRC else { return nil }
        var records: [ObjectRecord] = []
        records.reserveCapacity((size - FrameHeader.fixedSize) / FrameHeader.recordSize)
        var total = 0
        for offset in stride(from: FrameHeader.fixedSize, to: size, by: FrameHeader.recordSize) {
            guard let digest = bytes.digest(at: offset), let word = bytes.integer(UInt32.self, at: offset + 32) else {
                return nil
            }
            let length = Int(word & ~FrameHeader.indirectBit)
            total += length
            guard total <= Int(plainLength) else { return nil }
            records.append(
                ObjectRecord(digest: digest, length: length, isIndirect: word & FrameHeader.indirectBit != 0))
        }
        guard total == Int(plainLength) else { return nil }
        self.init(
            codec: codec, content: content, plainLength: Int(plainLength), storedLength: Int(storedLength),
            storedCRC: storedCRC, records: records)
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
