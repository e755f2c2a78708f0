import ContentStore

/// A disk tree of the store.
package struct StoreBlockSource: BlockSource {
    private let store: ContentStore
    private let tree: TreeRoot

    package init(store: ContentStore, tree: TreeRoot) {
        self.store = store
        self.tree = tree
    }

    package var size: UInt64 { tree.length }

    package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        try store.read(tree, at: offset, into: buffer)
    }

    package func extents(from offset: UInt64, length: UInt64) throws -> [BlockExtent] {
        try store.extents(of: tree, from: offset, length: length).map {
            BlockExtent(offset: $0.offset, length: $0.length, isZero: $0.kind == .zero)
        }
    }
}
