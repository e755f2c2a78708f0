/// Which parts of a table hold something: one bit per group of neighbouring entries, so that emptying costs what filling did.
///
/// Unsafe: the memory belongs to the owner of the table.
struct EntryGroups {
    private let words: UnsafeMutablePointer<UInt64>
    private let wordCount: Int
    private let shift: Int

    /// Bytes of memory for a table of `count` entries, a multiple of 64 groups of 2^`shift`.
    static func byteCount(_ count: Int, shift: Int) -> Int { count >> (shift + 6) * 8 }

    /// - Parameter memory: zeros when the table is empty.
    init(_ memory: UnsafeMutableRawPointer, count: Int, shift: Int) {
        self.shift = shift
        wordCount = count >> (shift + 6)
        words = memory.assumingMemoryBound(to: UInt64.self)
    }

    /// Entry `index` is filled. It must be one of the table's.
    @inline(__always)
    func note(_ index: Int) {
        let group = index &>> shift
        words[group &>> 6] |= 1 &<< UInt64(group & 63)
    }

    /// Calls `body` with the indices of all entries of groups that hold something.
    @inline(__always)
    func forEach(_ body: (Int) -> Void) {
        for word in 0..<wordCount {
            var rest = words[word]
            while rest != 0 {
                let first = (word &* 64 &+ rest.trailingZeroBitCount) &<< shift
                rest &= rest &- 1
                for index in first..<first &+ (1 &<< shift) { body(index) }
            }
        }
    }

    func clear() { words.update(repeating: 0, count: wordCount) }
}
