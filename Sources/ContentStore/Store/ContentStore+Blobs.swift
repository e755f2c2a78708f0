/// The list of the parts of a long blob. See <doc:Format#Packs>.
struct PartList: Hashable, Sendable {
    static let partSize = FrameHeader.usualPlainLength
    /// The greatest length of a blob.
    static let maximumLength = 1 << 30

    var length: Int
    var parts: [Digest]

    /// The length of part `index`.
    func length(of index: Int) -> Int {
        min(PartList.partSize, length - index * PartList.partSize)
    }

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: UInt64(length))
        for part in parts { bytes.append(part) }
        return bytes
    }

    init(length: Int, parts: [Digest]) {
        self.length = length
        self.parts = parts
    }

    /// Reads a list; nil when it is none, or its length and number of parts do not fit.
    init?(parsing bytes: RawSpan) {
        guard
            let length = bytes.integer(UInt64.self, at: 0), length <= PartList.maximumLength, length > 0,
            case let count = (Int(length) + PartList.partSize - 1) / PartList.partSize,
            bytes.byteCount == 8 + count * Digest.byteCount
        else { return nil }
        self.length = Int(length)
        parts = []
        parts.reserveCapacity(count)
        for index in 0..<count {
            guard let part = bytes.digest(at: 8 + index * Digest.byteCount) else { return nil }
            parts.append(part)
        }
    }
}

extension ContentStore {
    /// The bytes of a blob.
    package func blob(_ digest: Digest) throws(StoreError) -> [UInt8] {
        let object = try object(digest)
        guard object.isIndirect else { return object.bytes }
        guard let list = PartList(parsing: object.bytes.span.bytes) else {
            throw StoreError(.damaged, "the list of the parts of blob \(digest.short) is damaged", path: path)
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(list.length)
        let hasher = SHA256Hasher()
        for (index, part) in list.parts.enumerated() {
            let piece = try self.object(part)
            guard !piece.isIndirect, piece.bytes.count == list.length(of: index) else {
                throw StoreError(.damaged, "part \(index) of blob \(digest.short) has another length", path: path)
            }
            piece.bytes.withUnsafeBytes { hasher.update($0) }
            bytes += piece.bytes
        }
        guard hasher.finish() == digest else {
            throw StoreError(.damaged, "blob \(digest.short) does not have its digest", path: path)
        }
        return bytes
    }

    /// A commit.
    package func commit(_ digest: Digest) throws(StoreError) -> Commit {
        let bytes = try blob(digest)
        guard let commit = Commit(canonicalBytes: bytes) else {
            throw StoreError(.damaged, "object \(digest.short) is in use as a commit, which it is not", path: path)
        }
        noteTrees(of: commit, digest)
        return commit
    }
}
