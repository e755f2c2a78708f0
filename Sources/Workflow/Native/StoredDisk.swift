import ContentStore
import GuestFiles
import PCDevices

/// A disk of a version in the store, for those who read file systems and for a machine's devices.
struct StoredDisk: DiskReader, BlockStorage {
    private let store: ContentStore
    private let tree: TreeRoot?

    /// - Parameter tree: nil is a disk without bytes.
    init(_ store: ContentStore, _ tree: TreeRoot?) {
        self.store = store
        self.tree = tree
    }

    var size: UInt64 { tree?.length ?? 0 }
    var byteCount: UInt64 { size }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        guard let tree else { return }
        try store.read(tree, at: offset, into: buffer)
    }
}
