/// The fixed parts of a pack. See <doc:Format#Packs>.
package enum PackFormat {
    static let magic: StaticString = "STEMPACK"
    static let endMagic: StaticString = "STEMPEND"
    static let version: UInt32 = 1
    static let headerSize = 16
    static let trailerSize = 40
    static let tableEntrySize = 8
    /// The size that a writer does not exceed, unless told otherwise.
    package static let targetSize = 64 << 20
    /// The size that no pack reaches.
    static let maximumSize: UInt64 = 1 << 32

    static func header() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(magic)
        bytes.append(littleEndian: version)
        bytes.append(littleEndian: UInt32(0))
        return bytes
    }

    static func isHeader(_ bytes: RawSpan) -> Bool {
        bytes.has(magic, at: 0) && bytes.integer(UInt32.self, at: 8) == version
            && bytes.integer(UInt32.self, at: 12) == 0
    }
}

/// Where a frame is in its pack.
struct FramePlace: Hashable, Sendable {
    var offset: UInt32
    var size: UInt32
}

/// The last 40 bytes of a pack.
struct PackTrailer: Hashable, Sendable {
    var frames: UInt32
    var objects: UInt32
    var plainBytes: UInt64
    /// Where the frame table starts.
    var tableOffset: UInt64
    var crc: UInt32

    /// Reads a trailer; nil when it is none or does not fit a pack of this size.
    init?(parsing bytes: RawSpan, packSize: UInt64) {
        guard
            bytes.byteCount == PackFormat.trailerSize, bytes.has(PackFormat.endMagic, at: 32),
            let frames = bytes.integer(UInt32.self, at: 0), let objects = bytes.integer(UInt32.self, at: 4),
            let plainBytes = bytes.integer(UInt64.self, at: 8), let tableOffset = bytes.integer(UInt64.self, at: 16),
            bytes.integer(UInt32.self, at: 24) == 0, let crc = bytes.integer(UInt32.self, at: 28),
            packSize < PackFormat.maximumSize, tableOffset >= UInt64(PackFormat.headerSize), tableOffset <= packSize,
            tableOffset + UInt64(frames) * 8 + UInt64(PackFormat.trailerSize) == packSize
        else { return nil }
        self.frames = frames
        self.objects = objects
        self.plainBytes = plainBytes
        self.tableOffset = tableOffset
        self.crc = crc
    }

    /// The frame table and trailer of a pack, as bytes.
    static func tail(frames: [FramePlace], objects: UInt32, plainBytes: UInt64, tableOffset: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(frames.count * PackFormat.tableEntrySize + PackFormat.trailerSize)
        for frame in frames {
            bytes.append(littleEndian: frame.offset)
            bytes.append(littleEndian: frame.size)
        }
        bytes.append(littleEndian: UInt32(frames.count))
        bytes.append(littleEndian: objects)
        bytes.append(littleEndian: plainBytes)
        bytes.append(littleEndian: tableOffset)
        bytes.append(littleEndian: UInt32(0))
        bytes.append(littleEndian: CRC32C.checksum(bytes))
        bytes.append(PackFormat.endMagic)
        return bytes
    }
}
