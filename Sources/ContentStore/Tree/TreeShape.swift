/// The fixed geometry of a kind of tree. See <doc:Format#Trees>.
struct TreeShape: Hashable, Sendable {
    let kind: TreeKind
    /// The size of a leaf is 1 << leafBits bytes.
    let leafBits: UInt64
    /// A node has 1 << fanOutBits children.
    let fanOutBits: UInt64

    init(_ kind: TreeKind) {
        self.kind = kind
        switch kind {
        case .disk:
            leafBits = 16
            fanOutBits = 7
        case .memory:
            leafBits = 12
            fanOutBits = 9
        }
    }

    /// The greatest length of a tree in bytes.
    static let maximumLength: UInt64 = 1 << 62

    var leafSize: Int { 1 << Int(leafBits) }
    var fanOut: Int { 1 << Int(fanOutBits) }
    /// The kind as it is written in a node.
    var code: UInt8 { kind == .disk ? 0 : 1 }

    /// How many leaves a tree of this length has.
    func leafCount(_ length: UInt64) -> UInt64 {
        length >> leafBits + (length & (1 << leafBits - 1) == 0 ? 0 : 1)
    }

    /// The level of the top node of a tree of this length.
    func topLevel(_ length: UInt64) -> Int {
        var level = 0
        while leafCount(length) > leavesPerNode(level) { level += 1 }
        return level
    }

    /// How many leaves a node of this level covers.
    func leavesPerNode(_ level: Int) -> UInt64 {
        let bits = fanOutBits * UInt64(level + 1)
        return bits >= 63 ? 1 << 63 : 1 << bits
    }

    /// How many leaves a child of a node of this level covers.
    func leavesPerChild(_ level: Int) -> UInt64 {
        level == 0 ? 1 : leavesPerNode(level - 1)
    }

    /// Which child of its node of this level covers a leaf.
    func slot(of leaf: UInt64, level: Int) -> Int {
        Int(leaf >> min(63, fanOutBits * UInt64(level)) & (1 << fanOutBits - 1))
    }
}
