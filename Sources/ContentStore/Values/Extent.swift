/// A run of bytes of a tree that is all data or all zeros.
package struct Extent: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable {
        /// Stored: at least one byte in each chunk or page of it is not zero.
        case data
        /// Not stored, reads as zeros.
        case zero
    }

    /// Where the run begins, in bytes from the start of the tree.
    package var offset: UInt64
    /// How long it is, in bytes; never 0.
    package var length: UInt64
    package var kind: Kind

    package init(offset: UInt64, length: UInt64, kind: Kind) {
        self.offset = offset
        self.length = length
        self.kind = kind
    }
}
