/// The runs in which two trees differ, one after the other. See ``ContentStore/differences(from:to:)``.
///
/// It holds one pair of nodes for each level and reads a pair only when their digests differ, so that neither memory nor time depend
/// on how large the trees are, but on how much of them differs.
package struct TreeDifferences {
    /// What one of the trees has at a place.
    private struct Side: Equatable {
        /// Nil: all zero.
        var digest: Digest?
        /// The level of the node; -1 for a leaf. Lower than that of the place when the tree is shorter: it is then what a higher
        /// tree would have there as its first child.
        var level: Int

        /// What it has at a child of the place. `node` is the side's node if that is of the level of the place.
        func child(_ slot: Int, of node: TreeNode?, placeLevel: Int) -> Side {
            if let node { return Side(digest: node.child(slot), level: placeLevel - 1) }
            return slot == 0 ? self : Side(digest: nil, level: placeLevel - 1)
        }
    }

    /// A place where the trees differ, and how far its children were compared.
    private struct Pair {
        var first: Side
        var second: Side
        var firstNode: TreeNode?
        var secondNode: TreeNode?
        var level: Int
        /// The first leaf that it covers.
        var start: UInt64
        /// The next child.
        var slot = 0
    }

    private let store: ContentStore
    private let shape: TreeShape
    /// The length of the longer tree.
    private let length: UInt64
    private var pairs: [Pair] = []
    /// A run that may go on.
    private var pending: TreeDifference?

    init(_ store: ContentStore, from first: TreeRoot?, to second: TreeRoot?) throws(StoreError) {
        for case .some(let tree) in [first, second] { try store.checkRange(tree, 0, 0) }
        if let first, let second, first.kind != second.kind {
            throw StoreError(
                .invalid, "a \(first.kind) tree and a \(second.kind) tree cannot be compared; compare trees of one kind"
            )
        }
        self.store = store
        let shape = TreeShape(first?.kind ?? second?.kind ?? .disk)
        self.shape = shape
        length = max(first?.length ?? 0, second?.length ?? 0)
        let sides = [first, second].map { Side(digest: $0?.digest, level: shape.topLevel($0?.length ?? 0)) }
        try push(sides[0], sides[1], level: max(sides[0].level, sides[1].level), start: 0)
    }

    /// The next run in the order of offsets, or nil after the last one. Runs that touch differ in kind.
    package mutating func next() throws(StoreError) -> TreeDifference? {
        while let leaf = try nextLeaf() {
            let offset = leaf.number << shape.leafBits
            let size = min(UInt64(shape.leafSize), length - offset)
            if let run = pending, run.end == offset, run.kind == leaf.kind {
                pending?.length += size
                continue
            }
            let done = pending
            pending = TreeDifference(offset: offset, length: size, kind: leaf.kind)
            if let done { return done }
        }
        let last = pending
        pending = nil
        return last
    }

    /// The next leaf that differs.
    private mutating func nextLeaf() throws(StoreError) -> (number: UInt64, kind: TreeDifference.Kind)? {
        while let index = pairs.indices.last {
            let pair = pairs[index]
            let start = pair.start + UInt64(pair.slot) * shape.leavesPerChild(pair.level)
            // Nothing is beyond the length, even if a node says so.
            guard pair.slot < shape.fanOut, start < shape.leafCount(length) else {
                pairs.removeLast()
                continue
            }
            pairs[index].slot += 1
            let first = pair.first.child(pair.slot, of: pair.firstNode, placeLevel: pair.level)
            let second = pair.second.child(pair.slot, of: pair.secondNode, placeLevel: pair.level)
            if pair.level > 0 {
                try push(first, second, level: pair.level - 1, start: start)
            } else if first.digest != second.digest {
                return (start, first.digest == nil ? .added : second.digest == nil ? .removed : .changed)
            }
        }
        return nil
    }

    /// Goes down to a place, if the trees differ there.
    private mutating func push(_ first: Side, _ second: Side, level: Int, start: UInt64) throws(StoreError) {
        if first.digest == second.digest && (first.level == second.level || first.digest == nil) { return }
        pairs.append(
            Pair(
                first: first, second: second, firstNode: try node(first, level), secondNode: try node(second, level),
                level: level, start: start))
    }

    private func node(_ side: Side, _ level: Int) throws(StoreError) -> TreeNode? {
        guard let digest = side.digest, side.level == level else { return nil }
        return try store.node(digest, shape: shape, level: level)
    }
}
