import Synchronization

/// Keeps pages that were read, for walks of page tables, which come back to the same ones.
final class PageCache: GuestMemory {
    private let base: any GuestMemory
    private let kept = Mutex<[UInt64: [UInt8]]>([:])
    /// Some 4 MB; more would be a walk of everything, which needs no page twice.
    private static let limit = 1024

    init(_ base: any GuestMemory) { self.base = base }

    var pages: [Range<UInt64>] { base.pages }

    func read(page: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> Bool {
        if let bytes = kept.withLock({ $0[page] }) {
            buffer.copyBytes(from: bytes)
            return true
        }
        guard try base.read(page: page, into: buffer) else { return false }
        let bytes = Array(buffer)
        kept.withLock { pages in
            if pages.count >= Self.limit { pages.removeAll(keepingCapacity: true) }
            pages[page] = bytes
        }
        return true
    }
}
