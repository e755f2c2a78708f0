/// What a tree holds, which fixes its unit of identity.
package enum TreeKind: String, Codable, Hashable, Sendable, CaseIterable {
    /// A disk as the guest sees it, in chunks of 64 KiB.
    case disk
    /// A RAM image in pages of 4 KiB.
    case memory
}

/// The name of a tree: all that is needed to read a disk or a RAM image.
package struct TreeRoot: Codable, Hashable, Sendable {
    package var kind: TreeKind
    /// The length in bytes; any number up to 2^62.
    package var length: UInt64
    /// The top node, or nil when every byte is zero.
    package var digest: Digest?

    package init(kind: TreeKind, length: UInt64, digest: Digest?) {
        self.kind = kind
        self.length = length
        self.digest = digest
    }
}
