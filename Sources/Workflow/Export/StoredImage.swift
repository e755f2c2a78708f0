import ContentStore
import DiskImage

/// A disk tree of the store as an image that can be copied.
struct StoredImage: DiskImage {
    let store: ContentStore
    let tree: TreeRoot

    var virtualSize: UInt64 { tree.length }

    func extents(from offset: UInt64, length: UInt64) throws(DiskImageError) -> [DiskExtent] {
        do {
            return try store.extents(of: tree, from: offset, length: length).map {
                DiskExtent(offset: $0.offset, length: $0.length, kind: $0.kind == .data ? .data : .unallocated)
            }
        } catch {
            throw Self.failure(error)
        }
    }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(DiskImageError) {
        do { try store.read(tree, at: offset, into: buffer) } catch { throw Self.failure(error) }
    }

    private static func failure(_ error: StoreError) -> DiskImageError {
        DiskImageError(error.code == .damaged ? .corrupt : .io, error.description)
    }
}
