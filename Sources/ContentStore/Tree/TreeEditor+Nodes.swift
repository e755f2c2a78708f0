/// A node being edited: its children as they are now.
final class EditNode {
    var children: [Digest?]
    /// When it was used last.
    var used: UInt64 = 0

    init(_ children: [Digest?]) {
        self.children = children
    }
}

// Nodes are taken from the base when one of their leaves changes, with all nodes above them; what is not taken is reached through the
// digest in the parent. Nodes of level 0 are written and forgotten when there are many, the few above them only at the end.
extension TreeEditor {
    /// The most nodes of level 0 that are kept: those of 8 GiB of a disk or 256 MiB of RAM (some 5 and 3 MB).
    private var maximumLeafNodes: Int { kind == .disk ? 1024 : 128 }

    /// Begins with the contents of a base, which may have another length.
    func take(_ base: TreeRoot) throws(StoreError) {
        guard var digest = base.digest else { return }
        var level = shape.topLevel(base.length)
        // Shorter: the new top is somewhere down the left edge.
        while level > topLevel {
            guard let child = try ingest.node(digest, shape: shape, level: level).child(0) else { return }
            digest = child
            level -= 1
        }
        if level == topLevel {
            baseDigest = digest
        } else {
            // Longer: new nodes above, with the base as their first child.
            for higher in level + 1...topLevel {
                let node = EditNode([Digest?](repeating: nil, count: shape.fanOut))
                if higher == level + 1 { node.children[0] = digest }
                nodes[higher][0] = node
            }
        }
        if length < base.length {
            let end = shape.leafCount(length)
            try clearLeaves(end..<max(end, shape.leavesPerNode(topLevel)), level: topLevel, 0)
            let leafEnd = end << shape.leafBits
            if length < leafEnd, try child(level: 0, end - 1) != nil {
                let start = Int(length & (1 << shape.leafBits - 1))
                try openLeaf(end - 1).part(start, Int(leafEnd - length)).initializeMemory(as: UInt8.self, repeating: 0)
            }
        }
    }

    /// The number of the node of a level that covers a child of it.
    private func parent(_ child: UInt64) -> UInt64 { child >> shape.fanOutBits }

    private func slot(_ child: UInt64) -> Int { Int(child & (1 << shape.fanOutBits - 1)) }

    /// A child of a node, without taking the node: leaf or node number `index` of the level below `level`.
    func child(level: Int, _ index: UInt64) throws(StoreError) -> Digest? {
        let number = parent(index)
        if let node = nodes[level][number] {
            clock += 1
            node.used = clock
            return node.children[slot(index)]
        }
        guard let digest = try digest(level: level, number) else { return nil }
        return try ingest.node(digest, shape: shape, level: level).child(slot(index))
    }

    /// The digest of a node that is not taken.
    private func digest(level: Int, _ number: UInt64) throws(StoreError) -> Digest? {
        if level == topLevel { return number == 0 ? baseDigest : nil }
        return try child(level: level + 1, number)
    }

    /// Takes a node, and all above it.
    private func take(level: Int, _ number: UInt64) throws(StoreError) -> EditNode {
        clock += 1
        if let node = nodes[level][number] {
            node.used = clock
            return node
        }
        let digest = try digest(level: level, number)
        if level < topLevel { _ = try take(level: level + 1, parent(number)) }
        if level == 0, nodes[0].count >= maximumLeafNodes { try forgetLeafNodes() }
        let children: [Digest?]
        if let digest {
            children = try ingest.node(digest, shape: shape, level: level).children
        } else {
            children = [Digest?](repeating: nil, count: shape.fanOut)
        }
        let node = EditNode(children)
        node.used = clock
        nodes[level][number] = node
        return node
    }

    /// Changes a child of a node: leaf or node number `index` of the level below `level`.
    func setChild(level: Int, _ index: UInt64, _ digest: Digest?) throws(StoreError) {
        try take(level: level, parent(index)).children[slot(index)] = digest
    }

    /// Writes the nodes of level 0 that were not used for longest, and forgets them.
    private func forgetLeafNodes() throws(StoreError) {
        let oldest = nodes[0].sorted { $0.value.used < $1.value.used }.prefix(maximumLeafNodes / 2)
        for (number, node) in oldest.sorted(by: { $0.key < $1.key }) {
            try store(node, level: 0, number)
            nodes[0][number] = nil
        }
    }

    /// Writes a node and tells its parent, which was taken with it.
    private func store(_ node: EditNode, level: Int, _ number: UInt64) throws(StoreError) {
        let bytes = TreeNode.bytes(node.children, shape: shape, level: level)
        var digest: Digest?
        if let bytes { digest = try ingest.putNode(bytes) }
        if level == topLevel {
            baseDigest = digest
        } else {
            try setChild(level: level + 1, number, digest)
        }
    }

    /// Writes all nodes, from the leaves upwards; returns the top.
    func storeNodes() throws(StoreError) -> Digest? {
        for level in 0...topLevel {
            for (number, node) in nodes[level].sorted(by: { $0.key < $1.key }) {
                try store(node, level: level, number)
            }
            nodes[level].removeAll()
        }
        return baseDigest
    }

    /// Makes leaves zero below a node, in whole subtrees where possible.
    func clearLeaves(_ leaves: Range<UInt64>, level: Int, _ number: UInt64) throws(StoreError) {
        let perChild = shape.leavesPerChild(level)
        let first = number << shape.fanOutBits
        for slot in 0..<UInt64(shape.fanOut) {
            let index = first + slot
            let start = index &* perChild
            let range = start..<start &+ perChild
            guard range.overlaps(leaves) else { continue }
            let isTaken = level > 0 && nodes[level - 1][index] != nil
            // Absent and untouched: zero already.
            if !isTaken, try child(level: level, index) == nil { continue }
            if leaves.lowerBound <= range.lowerBound && range.upperBound <= leaves.upperBound {
                forget(below: level, index)
                try setChild(level: level, index, nil)
            } else if level > 0 {
                try clearLeaves(leaves, level: level - 1, index)
            }
        }
    }

    /// Forgets the taken nodes of a subtree.
    private func forget(below level: Int, _ index: UInt64) {
        var first = index
        var last = index
        for lower in stride(from: level - 1, through: 0, by: -1) {
            nodes[lower] = nodes[lower].filter { !(first...last).contains($0.key) }
            first <<= shape.fanOutBits
            last = last << shape.fanOutBits | (1 << shape.fanOutBits - 1)
        }
    }
}
