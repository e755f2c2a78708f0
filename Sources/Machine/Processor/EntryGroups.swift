/// Which parts of a table hold something: one bit per group of neighbouring entries, so that emptying costs what filling did.
final class EntryGroups {
    private let words: UnsafeMutablePointer<UInt64>
    private let wordCount: Int
    private let groupShift: Int

    /// - Parameters:
    ///   - count: entries of the table, a multiple of 64 groups.
    ///   - groupShift: binary logarithm of a group's entries.
    init(count: Int, groupShift: Int) {
        self.groupShift = groupShift
        wordCount = count >> (groupShift + 6)
        words = .allocate(capacity: wordCount)
        words.initialize(repeating: 0, count: wordCount)
    }

    deinit { words.deallocate() }

    /// Entry `index` is filled. It must be one of the table's.
    @inline(__always)
    func note(_ index: Int) {
        let group = index &>> groupShift
        words[group &>> 6] |= 1 &<< UInt64(group & 63)
    }

    /// Calls `body` with the indices of all entries of groups that hold something.
    @inline(__always)
    func forEach(_ body: (Int) -> Void) {
        for word in 0..<wordCount {
            var rest = words[word]
            while rest != 0 {
                let first = (word &* 64 &+ rest.trailingZeroBitCount) &<< groupShift
                rest &= rest &- 1
                for index in first..<first &+ (1 &<< groupShift) { body(index) }
            }
        }
    }

    func clear() { words.update(repeating: 0, count: wordCount) }
}
