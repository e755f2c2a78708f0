/// Blocks that were looked up lately, by place in a small table: most look-ups repeat one that a flush made the jump cache forget.
///
/// The blocks are kept alive by their `BlockCache`, which empties the table when it drops them.
final class RecentBlocks {
    private struct Entry {
        var key = BlockCache.Key(content: -1, rip: 0, context: 0)
        var block: Unmanaged<CachedBlock>?
    }

    private static let count = 8192
    private let entries: UnsafeMutablePointer<Entry>

    init() {
        entries = .allocate(capacity: Self.count)
        entries.initialize(repeating: Entry(), count: Self.count)
    }

    deinit { entries.deallocate() }

    @inline(__always)
    private static func place(_ key: BlockCache.Key) -> Int {
        let mixed = (key.rip ^ UInt64(truncatingIfNeeded: key.content) << 20 ^ key.context) &* 0x9E37_79B9_7F4A_7C15
        return Int(truncatingIfNeeded: mixed >> 51)
    }

    @inline(__always)
    func find(_ key: BlockCache.Key) -> CachedBlock? {
        let entry = entries + Self.place(key)
        guard entry.pointee.key == key else { return nil }
        return entry.pointee.block?.takeUnretainedValue()
    }

    func clear() { entries.update(repeating: Entry(), count: Self.count) }

    /// Remembers a block in place of another.
    func note(_ block: CachedBlock, _ key: BlockCache.Key) {
        entries[Self.place(key)] = Entry(key: key, block: Unmanaged.passUnretained(block))
    }
}
