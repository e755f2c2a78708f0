import Synchronization

/// A frame read from a pack: both CRCs are right. Nothing is known yet about digests.
struct StoredFrame: Sendable {
    let header: FrameHeader
    /// The whole frame, header first; may be followed by other bytes.
    let bytes: [UInt8]

    /// Takes bytes as a frame whose header was checked; nil unless the CRC of the stored bytes is right.
    init?(checking bytes: [UInt8], header: FrameHeader) {
        guard header.frameSize <= bytes.count else { return nil }
        let crc = bytes.withUnsafeBytes { CRC32C.checksum($0.part(header.size, header.storedLength)) }
        guard crc == header.storedCRC else { return nil }
        self.header = header
        self.bytes = bytes
    }

    /// Takes bytes as a frame; nil unless both CRCs are right.
    init?(parsing bytes: [UInt8]) {
        guard let header = FrameHeader(parsing: bytes.span.bytes) else { return nil }
        self.init(checking: bytes, header: header)
    }

    /// Whether a part of the frame can be read alone: the table of a frame in pieces has the CRCs of its bytes. Other frames have none.
    ///
    /// The CRC of the stored bytes says nothing about it: whoever made the frame computed both.
    func hasSoundPieces() -> Bool {
        guard header.codec == .pieces else { return true }
        let size = PieceTable.size(plain: header.plainLength)
        return bytes.withUnsafeBytes { bytes in
            let table = bytes.part(header.size, size)
            return PieceTable.isSound(table)
                && PieceTable.isSound(bytes.part(header.size + size, header.plainLength), from: 0, in: table)
        }
    }

    /// Decodes into a buffer of exactly the plain length; false when the stored bytes do not decode.
    func decode(into plain: UnsafeMutableRawBufferPointer, with context: CodecContext? = nil) -> Bool {
        guard plain.count == header.plainLength else { return false }
        return bytes.withUnsafeBytes {
            header.codec.decode($0.part(header.size, header.storedLength), into: plain, with: context)
        }
    }
}

/// A decoded frame, as it is kept in the cache.
final class Frame: Sendable {
    let records: [ObjectRecord]
    let content: FrameContent
    /// Where each object begins in `bytes`.
    private let starts: [Int]
    let bytes: [UInt8]
    /// Bit i: object i was found to have its digest. Only the first 64 are remembered.
    private let checked = Atomic<UInt64>(0)

    /// Decodes a frame; nil when the stored bytes do not decode.
    convenience init?(_ stored: StoredFrame, with context: CodecContext? = nil) {
        self.init(stored.header) { stored.decode(into: $0, with: context) }
    }

    /// Decodes a frame that is in memory and was checked; nil when the stored bytes do not decode.
    convenience init?(_ view: FrameView, stored: UnsafeRawBufferPointer, with context: CodecContext) {
        self.init(FrameHeader(view)) { view.codec.decode(stored, into: $0, with: context) }
    }

    private init?(_ header: FrameHeader, decode: (UnsafeMutableRawBufferPointer) -> Bool) {
        var isDecoded = false
        bytes = [UInt8](unsafeUninitializedCapacity: header.plainLength) { buffer, count in
            isDecoded = decode(
                UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<header.plainLength]))
            count = isDecoded ? header.plainLength : 0
        }
        records = header.records
        content = header.content
        var position = 0
        starts = records.map { record in
            defer { position += record.length }
            return position
        }
        if !isDecoded { return nil }
    }

    /// The number of the object with this digest.
    func index(of digest: Digest) -> Int? {
        records.firstIndex { $0.digest == digest }
    }

    /// Where the bytes of object `index` are. That they are the ones that were stored is known from the CRC of the frame only.
    func range(of index: Int) -> Range<Int> {
        starts[index]..<starts[index] + records[index].length
    }

    /// The bytes of object `index`, if they have its digest (for an indirect one: without that check, its parts are checked).
    func object(_ index: Int) -> Range<Int>? {
        let range = range(of: index)
        if records[index].isIndirect { return range }
        let bit: UInt64 = index < 64 ? 1 << UInt64(index) : 0
        if checked.load(ordering: .relaxed) & bit != 0 { return range }
        let digest = bytes.withUnsafeBytes { Digest(of: $0.part(range.lowerBound, range.count)) }
        guard digest == records[index].digest else { return nil }
        checked.bitwiseOr(bit, ordering: .relaxed)
        return range
    }
}
