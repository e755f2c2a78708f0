/// A vector register's value seen as elements of 16, 32 or 64 bits.
struct VectorWords {
    var words = InlineArray<4, UInt64>(repeating: 0)

    subscript(word index: Int) -> UInt64 {
        get { words[index & 3] }
        set { words[index & 3] = newValue }
    }

    /// Element `index` of `bits` bits (8, 16, 32 or 64).
    subscript(index: Int, bits: Int) -> UInt64 {
        get {
            let position = index * bits
            return self[word: position / 64] >> UInt64(position % 64) & (~0 >> UInt64(64 - bits))
        }
        set {
            let position = index * bits
            let mask: UInt64 = ~0 >> UInt64(64 - bits)
            let shift = UInt64(position % 64)
            self[word: position / 64] = self[word: position / 64] & ~(mask << shift) | (newValue & mask) << shift
        }
    }
}
