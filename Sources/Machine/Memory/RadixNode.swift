import Synchronization

/// Inner node and page of the copy-on-write radix tree: raw memory with an intrusive count.
///
/// Counts are atomic so that forks may live on different threads; everything else of a node or page is written only by an
/// owner that reached it through nodes with count 1, that is, before anyone else can see it.
/// (Exception: `PageHeader.contentID`, set with a compare-and-exchange.)
enum Radix {
    /// 6 bits per level.
    static let fanout = 64
    static let levels = 4

    typealias Node = UnsafeMutableRawPointer

    /// Node: count (8 bytes), then 64 child addresses.
    static let nodeBytes = 8 + 64 * 8
    /// Page: header (64 bytes), then 4096 bytes of data.
    static let pageBytes = PageHeader.size + 4096

    @inline(__always)
    static func count(_ node: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Atomic<Int>> {
        node.assumingMemoryBound(to: Atomic<Int>.self)
    }

    @inline(__always)
    static func children(_ node: UnsafeMutableRawPointer) -> UnsafeMutablePointer<UnsafeMutableRawPointer?> {
        (node + 8).assumingMemoryBound(to: UnsafeMutableRawPointer?.self)
    }

    static func makeNode(_ census: StateCensus) -> UnsafeMutableRawPointer {
        census.countNode(1)
        let node = UnsafeMutableRawPointer.allocate(byteCount: nodeBytes, alignment: 64)
        node.initializeMemory(as: UInt8.self, repeating: 0, count: nodeBytes)
        count(node).initialize(to: Atomic(1))
        return node
    }

    @inline(__always)
    static func retain(_ object: UnsafeMutableRawPointer) {
        count(object).pointee.wrappingAdd(1, ordering: .relaxed)
    }

    /// True when nobody else holds the object.
    @inline(__always)
    static func isUnique(_ object: UnsafeMutableRawPointer) -> Bool {
        count(object).pointee.load(ordering: .acquiring) == 1
    }

    /// Drops one count of the subtree at `level` (0 = page).
    static func release(_ object: UnsafeMutableRawPointer, level: Int, _ census: StateCensus) {
        let (old, _) = count(object).pointee.wrappingSubtract(1, ordering: .acquiringAndReleasing)
        guard old == 1 else { return }
        if level > 0 {
            let slots = children(object)
            for index in 0..<fanout { if let child = slots[index] { release(child, level: level - 1, census) } }
            census.countNode(-1)
        } else if PageHeader.flags(object).pointee & PageHeader.parked != 0 {
            census.countParkedPage(-1)
        } else {
            census.countPage(-1)
        }
        object.deallocate()
    }

    /// A private copy of an inner node; its children gain a holder.
    static func copyNode(_ node: UnsafeMutableRawPointer, _ census: StateCensus) -> UnsafeMutableRawPointer {
        let copy = makeNode(census)
        let from = children(node)
        let to = children(copy)
        for index in 0..<fanout {
            if let child = from[index] {
                retain(child)
                to[index] = child
            }
        }
        return copy
    }

    static func makePage(
        copying data: UnsafeRawPointer, isWatched: Bool, _ census: StateCensus
    ) -> UnsafeMutableRawPointer {
        let page = makePage(isWatched: isWatched, census)
        PageHeader.data(page).copyMemory(from: data, byteCount: 4096)
        return page
    }

    /// A page whose data is still to be written.
    static func makePage(isWatched: Bool, _ census: StateCensus) -> UnsafeMutableRawPointer {
        census.countPage(1)
        let page = UnsafeMutableRawPointer.allocate(byteCount: pageBytes, alignment: 64)
        initializeHeader(page, contentID: 0, flags: isWatched ? 1 : 0)
        return page
    }

    /// The header of a page with one holder.
    static func initializeHeader(_ page: UnsafeMutableRawPointer, contentID: Int, flags: UInt64) {
        count(page).initialize(to: Atomic(1))
        PageHeader.contentID(page).initialize(to: Atomic(contentID))
        PageHeader.flags(page).initialize(to: flags)
    }
}

/// Fields of a written page, at fixed offsets of its allocation.
enum PageHeader {
    static let size = 64

    /// Identity of the page's bytes while code lifted from them is cached; 0 when there is none.
    @inline(__always)
    static func contentID(_ page: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Atomic<Int>> {
        (page + 8).assumingMemoryBound(to: Atomic<Int>.self)
    }

    /// Flag of a page that is kept as its difference from the base (``ParkedPage``).
    static let parked: UInt64 = 2

    /// Bit 0: watched; bit 1: parked.
    @inline(__always)
    static func flags(_ page: UnsafeMutableRawPointer) -> UnsafeMutablePointer<UInt64> {
        (page + 16).assumingMemoryBound(to: UInt64.self)
    }

    @inline(__always)
    static func data(_ page: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer { page + size }
}
