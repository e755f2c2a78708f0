/// What a tree has to be besides having the right digests, for trees that somebody else made.
///
/// A tree that passes can be read from end to end, and is the only tree with its contents.
final class TreeCheck {
    /// The plain length of an object and whether it is the list of a long blob; from what was checked already.
    private let length: (Digest) throws(StoreError) -> (length: Int, isIndirect: Bool)
    private let zeros: [TreeKind: Digest]

    init(length: @escaping (Digest) throws(StoreError) -> (length: Int, isIndirect: Bool)) {
        self.length = length
        zeros = Dictionary(
            uniqueKeysWithValues: TreeKind.allCases.map {
                ($0, Digest(of: [UInt8](repeating: 0, count: TreeShape($0).leafSize)))
            })
    }

    /// A leaf has the size of its kind, and is not all zero.
    func checkLeaf(_ digest: Digest, _ shape: TreeShape, _ place: @autoclosure () -> String) throws(StoreError) {
        guard digest != zeros[shape.kind] else {
            throw StoreError(.damaged, "\(place()) is a leaf of zeros, which no tree has")
        }
        let found = try length(digest)
        guard found.length == shape.leafSize, !found.isIndirect else {
            throw StoreError(
                .damaged, "\(place()) is an object of \(found.length) bytes where a leaf of \(shape.leafSize) belongs")
        }
    }

    /// Nothing is beyond the length: no child of a node, and no byte of the last leaf.
    func checkEdge(
        of tree: TreeRoot, _ reader: any ObjectReader, _ place: ClosureWalk.Place
    ) throws(StoreError) {
        guard tree.length <= TreeShape.maximumLength else {
            throw StoreError(.damaged, "\(place.name) of commit \(place.commit.short) is too long")
        }
        guard var digest = tree.digest else { return }
        let shape = TreeShape(tree.kind)
        let leaves = shape.leafCount(tree.length)
        var level = shape.topLevel(tree.length)
        // Of a tree without bytes everything is beyond the length.
        let last = leaves == 0 ? 0 : leaves - 1
        while true {
            let node = try reader.node(digest, shape: shape, level: level)
            let slot = shape.slot(of: last, level: level)
            for beyond in (leaves == 0 ? 0 : slot + 1)..<shape.fanOut where node.child(beyond) != nil {
                throw StoreError(.damaged, "\(place.at(leaves, shape)) has data beyond its end")
            }
            guard let child = node.child(slot) else { return }
            if level == 0 {
                digest = child
                break
            }
            digest = child
            level -= 1
        }
        let used = Int(tree.length & UInt64(shape.leafSize - 1))
        guard used != 0 else { return }
        let leaf = try reader.object(digest)
        guard !leaf.isIndirect, leaf.bytes.dropFirst(used).allSatisfy({ $0 == 0 }) else {
            throw StoreError(.damaged, "\(place.at(leaves, shape)) has data beyond its end")
        }
    }
}
