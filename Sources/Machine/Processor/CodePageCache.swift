/// What the pages that code was fetched from hold, by virtual address and who executes: saves the page walk when a block is looked up.
///
/// Valid as long as the entries of the jump cache are.
///
/// Unsafe: the memory belongs to the TLB.
struct CodePageCache {
    /// One virtual page.
    struct Entry {
        /// `CodePageCache.key`; 0 for none.
        var key: UInt64
        /// Dense index of the page.
        var index: Int
        /// Its content's identity (`GuestMemory.contentIdentity`).
        var content: Int
        /// Physical address of the page.
        var physical: UInt64
    }

    private static let count = 256
    private static let groupShift = 2
    private static let seenWords = 64
    private static let seenOffset = count * MemoryLayout<Entry>.stride
    private static let usedOffset = seenOffset + seenWords * 8
    /// Bytes of memory.
    static let byteCount = usedOffset + EntryGroups.byteCount(count, shift: groupShift)

    private let entries: UnsafeMutablePointer<Entry>
    /// Bit per hashed page number: pages that blocks were looked up in.
    private let seen: UnsafeMutablePointer<UInt64>
    private let used: EntryGroups

    /// - Parameter memory: `byteCount` bytes; zeros are an empty cache.
    init(_ memory: UnsafeMutableRawPointer) {
        entries = memory.assumingMemoryBound(to: Entry.self)
        seen = (memory + Self.seenOffset).assumingMemoryBound(to: UInt64.self)
        used = EntryGroups(memory + Self.usedOffset, count: Self.count, shift: Self.groupShift)
    }

    /// Key of the page of an address, for whoever uses a TLB set.
    @inline(__always)
    static func key(_ address: UInt64, _ set: Int) -> UInt64 { TLB.key(address & ~4095, set) | 1 }

    private static func slot(_ address: UInt64) -> Int { Int((address >> 12) & UInt64(count - 1)) }

    private static func seenBit(_ address: UInt64) -> (word: Int, bit: UInt64) {
        let page = address >> 12
        let hash = Int((page ^ page >> 12) & 4095)
        return (hash >> 6, 1 << UInt64(hash & 63))
    }

    /// The page of an address with the key `key`.
    func find(_ address: UInt64, key: UInt64) -> Entry? {
        let entry = entries[Self.slot(address)]
        return entry.key == key ? entry : nil
    }

    func enter(_ entry: Entry, for address: UInt64) {
        entries[Self.slot(address)] = entry
        used.note(Self.slot(address))
    }

    /// A block in the page of an address is looked up.
    func note(_ address: UInt64) {
        let (word, bit) = Self.seenBit(address)
        seen[word] |= bit
    }

    /// Forgets a page.
    ///
    /// - Returns: true when blocks may have been found in it, or in the page before.
    func forget(_ page: UInt64) -> Bool {
        entries[Self.slot(page)].key = 0
        for address in [page, page &- 4096] {
            let (word, bit) = Self.seenBit(address)
            if seen[word] & bit != 0 { return true }
        }
        return false
    }

    func clear() {
        used.forEach { entries[$0].key = 0 }
        used.clear()
        seen.update(repeating: 0, count: Self.seenWords)
    }
}
