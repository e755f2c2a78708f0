import Synchronization

/// The guest-physical memory of one state: a base snapshot and the pages written since, copy-on-write.
///
/// `fork` is O(1); the first write to a page after it copies that page and at most four small nodes.
/// A value with one owner: copying it without `fork` is not possible.
package struct GuestMemory: ~Copyable {
    /// 64^4 pages of 4 KiB: 64 GiB.
    package static let maximumPages = 1 << 24

    package let base: BaseMemory
    private(set) var root: UnsafeMutableRawPointer
    /// See `park`.
    var isParked = false
    /// Source of content identities; values above every page index.
    private static let nextContentID = Atomic<Int>(1 << 32)

    package init(base: BaseMemory) {
        self.base = base
        root = Radix.makeNode(base.census)
        base.census.countState(1)
    }

    private init(base: BaseMemory, root: UnsafeMutableRawPointer) {
        self.base = base
        self.root = root
        base.census.countState(1)
    }

    deinit {
        Radix.release(root, level: Radix.levels, base.census)
        base.census.countState(-1)
    }

    /// A second memory with the same content. Write translations of both must be dropped by the caller.
    package func fork() -> GuestMemory {
        precondition(!isParked, "a parked memory cannot be forked")
        Radix.retain(root)
        return GuestMemory(base: base, root: root)
    }

    /// The written page `index`, nil when it is still the base's.
    @inline(__always)
    func writtenPage(_ index: Int) -> UnsafeMutableRawPointer? {
        precondition(!isParked, "a parked memory cannot be used")
        var node = root
        var shift = 18
        while shift >= 0 {
            guard let next = Radix.children(node)[(index >> shift) & 63] else { return nil }
            node = next
            shift -= 6
        }
        return node
    }

    /// Bytes of page `index` for reading.
    @inline(__always)
    func readable(_ index: Int) throws(MachineError) -> UnsafeMutableRawPointer {
        if let page = writtenPage(index) { return PageHeader.data(page) }
        return try base.page(index)
    }

    /// Bytes of page `index` if they are in memory: nobody can have cached where they are, if not.
    func present(_ index: Int) -> UnsafeMutableRawPointer? {
        if let page = writtenPage(index) { return PageHeader.data(page) }
        return base.loadedPage(index)
    }

    /// The page `index`, made private to this state, for writing; its cached code is given up.
    mutating func owned(_ index: Int) throws(MachineError) -> UnsafeMutableRawPointer {
        let page = try privatePage(index)
        PageHeader.contentID(page).pointee.store(0, ordering: .relaxed)
        return page
    }

    /// True when page `index` can be written in place: private, not watched, without cached code.
    @inline(__always)
    func isWritableInPlace(_ index: Int) -> Bool {
        var node = root
        var shift = 18
        while shift >= 0 {
            guard Radix.isUnique(node), let next = Radix.children(node)[(index >> shift) & 63] else { return false }
            node = next
            shift -= 6
        }
        return Radix.isUnique(node) && PageHeader.contentID(node).pointee.load(ordering: .relaxed) == 0
    }

    private mutating func privatePage(_ index: Int) throws(MachineError) -> UnsafeMutableRawPointer {
        if !Radix.isUnique(root) {
            let copy = Radix.copyNode(root, base.census)
            Radix.release(root, level: Radix.levels, base.census)
            root = copy
        }
        var node = root
        var shift = 18
        var level = Radix.levels - 1
        while shift > 0 {
            let slot = Radix.children(node) + ((index >> shift) & 63)
            if let next = slot.pointee {
                if !Radix.isUnique(next) {
                    slot.pointee = Radix.copyNode(next, base.census)
                    Radix.release(next, level: level, base.census)
                }
            } else {
                slot.pointee = Radix.makeNode(base.census)
            }
            guard let next = slot.pointee else { continue }
            node = next
            shift -= 6
            level -= 1
        }
        let slot = Radix.children(node) + (index & 63)
        if let page = slot.pointee {
            if Radix.isUnique(page) { return page }
            let copy = Radix.makePage(
                copying: PageHeader.data(page), isWatched: PageHeader.flags(page).pointee & 1 != 0, base.census)
            slot.pointee = copy
            Radix.release(page, level: 0, base.census)
            return copy
        }
        let copy = Radix.makePage(isWatched: false, base.census)
        do throws(MachineError) {
            try base.copyPage(index, into: PageHeader.data(copy))
        } catch {
            Radix.release(copy, level: 0, base.census)
            throw error
        }
        slot.pointee = copy
        return copy
    }

    /// Identity of the bytes of page `index` for code caches: equal identities mean equal bytes.
    ///
    /// From now on a write to the page must go through `owned`, which changes the identity.
    func contentIdentity(_ index: Int) -> Int {
        guard let page = writtenPage(index) else { return index }
        let cell = PageHeader.contentID(page)
        let known = cell.pointee.load(ordering: .relaxed)
        if known != 0 { return known }
        let fresh = Self.nextContentID.wrappingAdd(1, ordering: .relaxed).newValue
        let (exchanged, original) = cell.pointee.compareExchange(
            expected: 0, desired: fresh, ordering: .relaxed)
        return exchanged ? fresh : original
    }

    /// The identity of page `index` that code may be cached under, nil when its present bytes have none.
    func knownIdentity(_ index: Int) -> Int? {
        guard let page = writtenPage(index) else { return index }
        let known = PageHeader.contentID(page).pointee.load(ordering: .relaxed)
        return known == 0 ? nil : known
    }

    /// True when the page was marked by `setWatched`.
    @inline(__always)
    func isWatched(_ index: Int) -> Bool {
        guard let page = writtenPage(index) else { return false }
        return PageHeader.flags(page).pointee & 1 != 0
    }

    /// Marks a page of this state. Cached translations of the page must be dropped by the caller.
    mutating func setWatched(_ index: Int, _ isWatched: Bool) throws(MachineError) {
        let page = try privatePage(index)
        let flags = PageHeader.flags(page)
        flags.pointee = isWatched ? flags.pointee | 1 : flags.pointee & ~1
    }

    /// Dense indices of the pages that this state holds apart from the base, in order.
    package func writtenPages() -> [Int] {
        var result: [Int] = []
        func walk(_ node: UnsafeMutableRawPointer, _ level: Int, _ prefix: Int) {
            for slot in 0..<Radix.fanout {
                guard let child = Radix.children(node)[slot] else { continue }
                let index = prefix << 6 | slot
                if level == 1 { result.append(index) } else { walk(child, level - 1, index) }
            }
        }
        walk(root, Radix.levels, 0)
        return result
    }
}
