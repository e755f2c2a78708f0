/// A run of bytes in which two trees differ. See ``ContentStore/differences(from:to:)``.
package struct TreeDifference: Hashable, Sendable, Codable {
    package enum Kind: String, Hashable, Sendable, Codable, CaseIterable {
        /// Both trees have data here, and each chunk or page of the one is another one in the other.
        case changed
        /// The first tree is zero here (or ends before), and the second has data.
        case added
        /// The first tree has data here, and the second is zero (or ends before).
        case removed
    }

    /// Where the run begins, in bytes from the start of the trees: a multiple of the leaf size.
    package var offset: UInt64
    /// How long it is, in bytes; never 0. Whole leaves, but for the end of the longer tree.
    package var length: UInt64
    package var kind: Kind

    package init(offset: UInt64, length: UInt64, kind: Kind) {
        self.offset = offset
        self.length = length
        self.kind = kind
    }

    /// Where the run ends.
    package var end: UInt64 { offset + length }
    /// Every byte of the first tree is zero here.
    package var isZeroBefore: Bool { kind == .added }
    /// Every byte of the second tree is zero here.
    package var isZeroAfter: Bool { kind == .removed }
}

/// How much two trees differ, in bytes of whole chunks or pages.
package struct TreeDifferenceSize: Hashable, Sendable, Codable {
    /// Data in both trees, but not the same.
    package var changed: UInt64 = 0
    /// Zero in the first tree, data in the second.
    package var added: UInt64 = 0
    /// Data in the first tree, zero in the second.
    package var removed: UInt64 = 0
    /// The number of runs.
    package var runs: UInt64 = 0

    package init() {}

    /// All bytes that differ.
    package var total: UInt64 { changed + added + removed }
}
