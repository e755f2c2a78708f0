extension ContentStore {
    /// The runs in which two trees of one kind differ, in the order of offsets.
    ///
    /// ```swift
    /// var differences = try store.differences(from: old, to: new)
    /// while let run = try differences.next() { … }
    /// ```
    ///
    /// The unit is the chunk or page: a run is made of leaves of which each differs in at least one byte. A tree that is nil is all
    /// zero, and so is what lies beyond the end of the shorter one; whether the lengths differ is for the caller to see.
    ///
    /// Throws `invalid` for trees of two kinds; ``TreeDifferences/next()`` throws `damaged` or `notFound` when a node of a place that
    /// differs cannot be had.
    package func differences(from first: TreeRoot?, to second: TreeRoot?) throws(StoreError) -> TreeDifferences {
        try TreeDifferences(self, from: first, to: second)
    }

    /// Calls `body` with each run in which two trees differ. See ``differences(from:to:)``.
    package func difference(
        _ first: TreeRoot?, _ second: TreeRoot?, _ body: (TreeDifference) throws -> Void
    ) throws {
        var differences = try differences(from: first, to: second)
        while let run = try differences.next() { try body(run) }
    }

    /// How many bytes differ, without a list of them. See ``differences(from:to:)``.
    package func differenceSize(_ first: TreeRoot?, _ second: TreeRoot?) throws(StoreError) -> TreeDifferenceSize {
        var differences = try differences(from: first, to: second)
        var size = TreeDifferenceSize()
        while let run = try differences.next() {
            size.runs += 1
            switch run.kind {
            case .changed: size.changed += run.length
            case .added: size.added += run.length
            case .removed: size.removed += run.length
            }
        }
        return size
    }
}
