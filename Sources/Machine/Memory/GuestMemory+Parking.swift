/// A written page as the words in which it differs from its page of the base: what states that wait hold instead of it.
///
/// Raw memory that begins like a written page (``PageHeader``: count, content identity, flags), so that it hangs in the same tree:
///
/// | offset | bytes | content |
/// |---|---|---|
/// | 0 | 24 | count, content identity, flags of the page |
/// | 24 | 8 | address of the base's page, which lives and stays where it is as long as the base |
/// | 32 | 64 | one bit for each of the page's 512 words of 8 bytes: 1 where it differs |
/// | 96 | 8 each | the words that differ, in order |
enum ParkedPage {
    private static let mask = 32
    private static let words = 96
    /// More words than this are not worth it: a page that is not parked needs nothing done when the state goes on.
    private static let limit = 384

    private static func origin(_ page: Radix.Node) -> UnsafeMutablePointer<UnsafeMutableRawPointer> {
        (page + 24).assumingMemoryBound(to: UnsafeMutableRawPointer.self)
    }

    private static func wordArray(_ memory: UnsafeMutableRawPointer) -> UnsafeMutablePointer<UInt64> {
        memory.assumingMemoryBound(to: UInt64.self)
    }

    /// The parked form of a page; nil when it differs too much.
    static func make(of page: Radix.Node, origin base: UnsafeMutableRawPointer, _ census: StateCensus) -> Radix.Node? {
        let (new, old) = (wordArray(PageHeader.data(page)), wordArray(base))
        var masks = SIMD8<UInt64>(repeating: 0)
        var count = 0
        for group in 0..<8 {
            var bits: UInt64 = 0
            for bit in 0..<64 where new[group << 6 | bit] != old[group << 6 | bit] { bits |= 1 << UInt64(bit) }
            masks[group] = bits
            count += bits.nonzeroBitCount
        }
        guard count <= limit else { return nil }
        census.countParkedPage(1)
        let parked = UnsafeMutableRawPointer.allocate(byteCount: words + count * 8, alignment: 16)
        Radix.initializeHeader(
            parked, contentID: PageHeader.contentID(page).pointee.load(ordering: .relaxed),
            flags: PageHeader.flags(page).pointee | PageHeader.parked)
        origin(parked).initialize(to: base)
        var next = wordArray(parked + words)
        for group in 0..<8 {
            wordArray(parked + mask)[group] = masks[group]
            var bits = masks[group]
            while bits != 0 {
                next.pointee = new[group << 6 | bits.trailingZeroBitCount]
                next += 1
                bits &= bits - 1
            }
        }
        return parked
    }

    /// The page again.
    static func page(of parked: Radix.Node, _ census: StateCensus) -> Radix.Node {
        let page = Radix.makePage(copying: origin(parked).pointee, isWatched: false, census)
        PageHeader.contentID(page).pointee.store(
            PageHeader.contentID(parked).pointee.load(ordering: .relaxed), ordering: .relaxed)
        PageHeader.flags(page).pointee = PageHeader.flags(parked).pointee & ~PageHeader.parked
        let data = wordArray(PageHeader.data(page))
        var next = wordArray(parked + words)
        for group in 0..<8 {
            var bits = wordArray(parked + mask)[group]
            while bits != 0 {
                data[group << 6 | bits.trailingZeroBitCount] = next.pointee
                next += 1
                bits &= bits - 1
            }
        }
        return page
    }
}

extension GuestMemory {
    /// Keeps of the pages that only this memory holds what differs from the base. What it shares stays as it is.
    ///
    /// A page of the base that cannot be read leaves its page as it is.
    mutating func park() {
        guard !isParked else { return }
        isParked = true
        let base = base
        forEachOwnPage { index, page in
            guard let origin = try? base.page(index) else { return page }
            guard let parked = ParkedPage.make(of: page, origin: origin, base.census) else { return page }
            Radix.release(page, level: 0, base.census)
            return parked
        }
    }

    /// Makes the memory usable again.
    mutating func unpark() {
        guard isParked else { return }
        let base = base
        forEachOwnPage { _, page in
            guard PageHeader.flags(page).pointee & PageHeader.parked != 0 else { return page }
            let whole = ParkedPage.page(of: page, base.census)
            Radix.release(page, level: 0, base.census)
            return whole
        }
        isParked = false
    }

    /// Replaces the pages that hang on nodes with one holder only, and have one themselves: nobody else can see them.
    private func forEachOwnPage(_ replace: (_ index: Int, _ page: Radix.Node) -> Radix.Node) {
        func walk(_ node: Radix.Node, _ level: Int, _ prefix: Int) {
            guard Radix.isUnique(node) else { return }
            for slot in 0..<Radix.fanout {
                let place = Radix.children(node) + slot
                guard let child = place.pointee else { continue }
                let index = prefix << 6 | slot
                if level > 1 {
                    walk(child, level - 1, index)
                } else if Radix.isUnique(child) {
                    place.pointee = replace(index, child)
                }
            }
        }
        walk(root, Radix.levels, 0)
    }
}

extension Machine {
    /// For a state that waits: gives its translation caches back, and keeps of the pages that only it has what differs from the snapshot.
    ///
    /// Until ``unpark()`` its processors may be looked at, its memory not; and it must not be forked.
    package func park() {
        releaseCaches()
        memory.park()
    }

    /// Makes a parked machine usable again; does nothing to another one.
    package func unpark() { memory.unpark() }

    /// The machine waits, and its memory may not be used.
    package var isParked: Bool { memory.isParked }
}
