/// One ref to be made, moved or removed.
package struct RefChange: Hashable, Sendable {
    /// The name of the ref; slashes are usual, as in `vm/Debian`.
    package var name: String
    /// What the ref must be now: nil means anything, `.some(nil)` that it must not exist.
    package var expected: Digest??
    /// The commit it is to name, or nil to remove it.
    package var new: Digest?

    package init(_ name: String, expected: Digest?? = nil, new: Digest?) {
        self.name = name
        self.expected = expected
        self.new = new
    }
}
