/// One node of a tree, as it is stored. See <doc:Format#Trees>.
final class TreeNode: Sendable {
    static let magic: StaticString = "STND"
    static let headerSize = 8

    let level: Int
    let shape: TreeShape
    /// Bit i: child i is present.
    private let present: [UInt64]
    /// For each word of `present`: how many children come before it.
    private let ranks: [Int]
    /// The present children, ascending.
    let digests: [Digest]

    /// The number of present children; at least 1.
    var count: Int { digests.count }

    /// What it costs to keep in memory, in bytes.
    var cost: Int { 160 + present.count * 16 + digests.count * Digest.byteCount }

    /// Reads a node that is at a place of this shape and level; nil when the bytes are no such node.
    init?(parsing bytes: RawSpan, shape: TreeShape, level: Int) {
        let bitmapSize = shape.fanOut / 8
        let childrenOffset = TreeNode.headerSize + bitmapSize
        guard
            bytes.has(TreeNode.magic, at: 0), bytes.integer(UInt8.self, at: 4) == 1,
            bytes.integer(UInt8.self, at: 5) == shape.code, bytes.integer(UInt8.self, at: 6) == UInt8(exactly: level),
            bytes.integer(UInt8.self, at: 7) == UInt8(shape.fanOutBits), bytes.byteCount > childrenOffset
        else { return nil }
        var present: [UInt64] = []
        var ranks: [Int] = []
        var count = 0
        for offset in stride(from: TreeNode.headerSize, to: childrenOffset, by: 8) {
            guard let word = bytes.integer(UInt64.self, at: offset) else { return nil }
            present.append(word)
            ranks.append(count)
            count += word.nonzeroBitCount
        }
        guard count > 0, bytes.byteCount == childrenOffset + count * Digest.byteCount else { return nil }
        var digests: [Digest] = []
        digests.reserveCapacity(count)
        for index in 0..<count {
            guard let digest = bytes.digest(at: childrenOffset + index * Digest.byteCount) else { return nil }
            digests.append(digest)
        }
        self.level = level
        self.shape = shape
        self.present = present
        self.ranks = ranks
        self.digests = digests
    }

    /// The bytes of a node; nil when no child is present.
    static func bytes(_ children: [Digest?], shape: TreeShape, level: Int) -> [UInt8]? {
        var bitmap = [UInt8](repeating: 0, count: shape.fanOut / 8)
        var isEmpty = true
        for (index, child) in children.enumerated() where child != nil {
            bitmap[index / 8] |= 1 << UInt8(index % 8)
            isEmpty = false
        }
        if isEmpty { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(TreeNode.headerSize + bitmap.count + children.count * Digest.byteCount)
        bytes.append(magic)
        bytes += [1, shape.code, UInt8(level), UInt8(shape.fanOutBits)]
        bytes += bitmap
        for case .some(let child) in children { bytes.append(child) }
        return bytes
    }

    /// The digest of a child, or nil when it is absent: all zero.
    func child(_ slot: Int) -> Digest? {
        let word = present[slot / 64]
        let bit = UInt64(1) << UInt64(slot % 64)
        guard word & bit != 0 else { return nil }
        return digests[ranks[slot / 64] + (word & (bit - 1)).nonzeroBitCount]
    }

    /// All children, nil for the absent ones.
    var children: [Digest?] { (0..<shape.fanOut).map { child($0) } }
}
