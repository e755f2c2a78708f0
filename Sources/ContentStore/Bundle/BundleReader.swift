/// Reads a bundle from start to end, from anything that gives bytes in order. It believes nothing: any bytes end in a frame, an end or an
/// error, and no more than one frame is held.
final class BundleReader {
    /// What comes next in a bundle.
    enum Item {
        /// A frame with a sound header; the CRC of its stored bytes was not looked at yet.
        case frame(FrameHeader, [UInt8])
        case end(BundleEnd, Digest)
    }

    private let source: (UnsafeMutableRawBufferPointer) throws(StoreError) -> Int
    /// For messages.
    private let path: String?
    private var buffer: [UInt8]
    /// What of the buffer was not taken yet.
    private var unread = 0..<0
    /// The number of bytes taken.
    private(set) var position: UInt64 = 0

    /// - Parameter source: fills a buffer, or part of it; 0 at the end.
    init(path: String?, source: @escaping (UnsafeMutableRawBufferPointer) throws(StoreError) -> Int) {
        self.source = source
        self.path = path
        buffer = [UInt8](repeating: 0, count: 1 << 18)
    }

    func damage(_ what: String) -> StoreError {
        StoreError(.damaged, "\(what); nothing of the bundle was taken over: get it again", path: path)
    }

    /// Reads exactly these bytes, after the ones in `bytes`.
    private func take(_ count: Int, into bytes: inout [UInt8]) throws(StoreError) {
        var rest = count
        while rest > 0 {
            if unread.isEmpty {
                let source = source
                let filled = try buffer.withMutableBytes { buffer throws(StoreError) in try source(buffer) }
                guard filled > 0, filled <= buffer.count else {
                    throw damage("the bundle is cut short at offset \(position)")
                }
                unread = 0..<filled
            }
            let part = min(rest, unread.count)
            bytes += buffer[unread.lowerBound..<unread.lowerBound + part]
            unread = unread.lowerBound + part..<unread.upperBound
            position += UInt64(part)
            rest -= part
        }
    }

    /// Reads the start of a bundle; returns its bytes too, to be hashed.
    func manifest() throws(StoreError) -> (manifest: BundleManifest, bytes: [UInt8]) {
        var bytes: [UInt8] = []
        do throws(StoreError) {
            try take(BundleManifest.headerSize, into: &bytes)
        } catch {
            throw error.code == .damaged ? StoreError(.damaged, "the file is no bundle", path: path) : error
        }
        guard bytes.span.bytes.has(BundleManifest.magic, at: 0) else {
            throw StoreError(.damaged, "the file is no bundle", path: path)
        }
        let version = bytes.span.bytes.integer(UInt32.self, at: 8) ?? 0
        guard version == BundleManifest.version else {
            throw StoreError(
                .unsupportedVersion,
                "the bundle has version \(version), and this program knows version 1; use a newer program", path: path)
        }
        let length = Int(bytes.span.bytes.integer(UInt32.self, at: 12) ?? 0)
        guard length <= BundleManifest.maximumLength else { throw damage("the manifest of the bundle is too long") }
        try take(length + 4, into: &bytes)
        let end = BundleManifest.headerSize + length
        guard
            CRC32C.checksum(Array(bytes[..<end])) == bytes.span.bytes.integer(UInt32.self, at: end),
            let manifest = BundleManifest(text: Array(bytes[BundleManifest.headerSize..<end]))
        else { throw damage("the manifest of the bundle is damaged") }
        return (manifest, bytes)
    }

    /// What comes next.
    func next() throws(StoreError) -> Item {
        let start = position
        var bytes: [UInt8] = []
        // The end is longer than this.
        try take(FrameHeader.fixedSize, into: &bytes)
        if bytes.span.bytes.has(BundleEnd.magic, at: 0) {
            try take(BundleEnd.size - bytes.count, into: &bytes)
            guard
                let frames = bytes.span.bytes.integer(UInt64.self, at: 8),
                let objects = bytes.span.bytes.integer(UInt64.self, at: 16),
                let digest = bytes.span.bytes.digest(at: 24)
            else { throw damage("the end of the bundle is damaged") }
            return .end(BundleEnd(frames: frames, objects: objects), digest)
        }
        guard let size = FrameHeader.size(announcedBy: bytes.span.bytes) else {
            throw damage("there is no frame at offset \(start) of the bundle")
        }
        try take(size - bytes.count, into: &bytes)
        guard let header = FrameHeader(parsing: bytes.span.bytes) else {
            throw damage("the frame header at offset \(start) of the bundle is damaged")
        }
        // At most 1 MiB and the table of its pieces, as the header was found sound.
        bytes.reserveCapacity(header.frameSize)
        try take(header.storedLength, into: &bytes)
        return .frame(header, bytes)
    }

    /// Throws unless nothing follows. Waits for the end of a pipe.
    func expectEnd() throws(StoreError) {
        if unread.isEmpty {
            let source = source
            if try buffer.withMutableBytes({ buffer throws(StoreError) in try source(buffer) }) == 0 { return }
        }
        throw damage("something follows the end of the bundle")
    }
}
