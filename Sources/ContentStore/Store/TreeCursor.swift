/// Finds leaves of a tree. Leaves near the one before are found without going down from the top again.
struct TreeCursor {
    let store: ContentStore
    let tree: TreeRoot
    let shape: TreeShape
    /// The node of level 0 that was used last, and the number of its first leaf.
    private var last: (node: TreeNode, first: UInt64)?

    init(store: ContentStore, tree: TreeRoot, shape: TreeShape) {
        self.store = store
        self.tree = tree
        self.shape = shape
    }

    /// The digest of a leaf, or nil when it is zero, with the number of leaves from this one on that are zero too.
    mutating func lookUp(_ leaf: UInt64) throws(StoreError) -> (digest: Digest?, run: UInt64) {
        let (node, zeroLeaves) = try nodeOfLeaves(leaf)
        guard let node else { return (nil, zeroLeaves) }
        let index = shape.slot(of: leaf, level: 0)
        if let digest = node.child(index) { return (digest, 1) }
        var next = index + 1
        while next < shape.fanOut, node.child(next) == nil { next += 1 }
        return (nil, UInt64(next - index))
    }

    /// The node of level 0 that a leaf belongs to; nil when there is none, with the number of leaves from this one on that have none.
    private mutating func nodeOfLeaves(_ leaf: UInt64) throws(StoreError) -> (node: TreeNode?, zeroLeaves: UInt64) {
        if let last, leaf >= last.first, leaf - last.first < UInt64(shape.fanOut) { return (last.node, 0) }
        let (digest, zeroLeaves) = try digestOfNode(leaf)
        guard let digest else { return (nil, zeroLeaves) }
        let node = try store.node(digest, shape: shape, level: 0)
        last = (node, leaf & ~(UInt64(shape.fanOut) - 1))
        return (node, 0)
    }

    /// The digest of the node of level 0 that a leaf belongs to; nil when there is none, with the number of leaves from this one on that
    /// have none.
    func digestOfNode(_ leaf: UInt64) throws(StoreError) -> (digest: Digest?, zeroLeaves: UInt64) {
        guard var digest = tree.digest else { return (nil, shape.leafCount(tree.length) - leaf) }
        var level = shape.topLevel(tree.length)
        while level > 0 {
            let node = try store.node(digest, shape: shape, level: level)
            let slot = shape.slot(of: leaf, level: level)
            guard let child = node.child(slot) else {
                var next = slot + 1
                while next < shape.fanOut, node.child(next) == nil { next += 1 }
                let perChild = shape.leavesPerChild(level)
                return (nil, UInt64(next - slot) * perChild - leaf % perChild)
            }
            digest = child
            level -= 1
        }
        return (digest, 0)
    }
}
