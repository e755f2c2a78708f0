/// Makes a new tree from a base by writing at any place. The cost is what is written, not what the tree holds.
///
/// Belongs to its ``Ingest`` and its thread. After an error in writing it cannot go on.
package final class TreeEditor {
    /// The length of the new tree in bytes.
    package let length: UInt64
    package let kind: TreeKind

    let ingest: Ingest
    let shape: TreeShape
    let topLevel: Int
    /// The nodes touched, by level and position. See `TreeEditor+Nodes.swift`.
    var nodes: [[UInt64: EditNode]]
    var baseDigest: Digest?
    var clock: UInt64 = 0

    /// Whole leaves that wait for being stored, one after the other in a buffer.
    var batch = PendingLeaves()
    var batchBuffer = ByteBuffer(count: LeafBatch.room)
    /// Leaves that are being stored meanwhile.
    var inFlight: (leaves: PendingLeaves, job: LeafJob)?
    /// Leaves written in part, the one used last at the end.
    var openLeaves: [OpenLeaf] = []
    private var failure: StoreError?
    private var result: TreeRoot?
    /// Whether what is taken over from the base is known to be all there.
    private let isBaseComplete: Bool

    /// A leaf that was written in part and may be written further.
    struct OpenLeaf {
        let leaf: UInt64
        let buffer: ByteBuffer
    }

    /// How many leaves may be open: writers that go forward at several places at a time do no work twice.
    static let maximumOpenLeaves = 8

    /// The numbers of leaves, in the order of writing.
    struct PendingLeaves {
        var leaves: [UInt64] = []
        /// The greatest number: leaves usually come in ascending order, which makes the question for one cheap.
        private var maximum: UInt64 = 0

        func contains(_ leaf: UInt64) -> Bool {
            !leaves.isEmpty && leaf <= maximum && leaves.contains(leaf)
        }

        mutating func append(_ leaf: UInt64) {
            maximum = leaves.isEmpty ? leaf : max(maximum, leaf)
            leaves.append(leaf)
        }
    }

    init(_ ingest: Ingest, base: TreeRoot?, kind: TreeKind, length: UInt64) throws(StoreError) {
        guard length <= TreeShape.maximumLength, base.map({ $0.length <= TreeShape.maximumLength }) ?? true else {
            throw StoreError(.invalid, "a tree of \(length) bytes is too large; the most is 2^62")
        }
        if let base, base.kind != kind {
            throw StoreError(.invalid, "a \(kind) tree cannot be made from a \(base.kind) tree")
        }
        self.ingest = ingest
        isBaseComplete = base?.digest.map { ingest.isComplete($0) } ?? true
        self.kind = kind
        self.length = length
        shape = TreeShape(kind)
        topLevel = shape.topLevel(length)
        nodes = [[UInt64: EditNode]](repeating: [:], count: topLevel + 1)
        if let base { try take(base) }
    }

    deinit {
        // The job holds the ingest, and its lease, until it is done.
        _ = inFlight?.job.wait()
    }

    // MARK: Writing

    /// Writes bytes at an offset; any alignment, within the tree.
    package func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) {
        try checkRange(offset, UInt64(bytes.count))
        ingest.bytesGiven += UInt64(bytes.count)
        try guarded { () throws(StoreError) in
            var done = 0
            while done < bytes.count {
                let position = offset + UInt64(done)
                let leaf = position >> shape.leafBits
                let start = Int(position & (1 << shape.leafBits - 1))
                let count = min(shape.leafSize - start, bytes.count - done)
                let piece = bytes.part(done, count)
                if start == 0 && (count == shape.leafSize || position + UInt64(count) == length) {
                    try writeWhole(leaf, piece)
                } else {
                    try openLeaf(leaf).part(start, count).copyMemory(from: piece)
                }
                done += count
            }
        }
    }

    /// Writes bytes at an offset; any alignment, within the tree.
    package func write(_ bytes: [UInt8], at offset: UInt64) throws(StoreError) {
        try bytes.withBytes { bytes throws(StoreError) in try write(bytes, at: offset) }
    }

    /// Makes a range zero; any alignment, within the tree. Costs next to nothing, however long the range.
    package func zero(at offset: UInt64, length count: UInt64) throws(StoreError) {
        try checkRange(offset, count)
        try guarded { () throws(StoreError) in try clear(from: offset, to: offset + count) }
    }

    /// Stores what is left, and returns the new tree. The editor cannot be written to afterwards.
    package func finish() throws(StoreError) -> TreeRoot {
        if let result { return result }
        return try guarded { () throws(StoreError) in
            while !openLeaves.isEmpty { try closeLeaf(at: 0) }
            try storeBatches()
            let root = TreeRoot(kind: kind, length: length, digest: try storeNodes())
            result = root
            if let top = root.digest, isBaseComplete { ingest.complete.insert(top) }
            return root
        }
    }

    private func checkRange(_ offset: UInt64, _ count: UInt64) throws(StoreError) {
        guard offset <= length, count <= length - offset else {
            throw StoreError(.invalid, "\(count) bytes at offset \(offset) are outside of a tree of \(length) bytes")
        }
    }

    private func guarded<Result>(_ body: () throws(StoreError) -> Result) throws(StoreError) -> Result {
        if let failure { throw failure }
        guard result == nil else { throw StoreError(.closed, "the tree is finished; edit it as the base of another") }
        do throws(StoreError) {
            return try body()
        } catch {
            failure = error
            throw error
        }
    }
}

extension Ingest {
    /// Begins to make a tree: from a base, or from zeros.
    ///
    /// The base may be of the store or of this ingest, and may have another length: what is beyond the new length is cut off, what is
    /// new is zero.
    package func edit(_ base: TreeRoot?, kind: TreeKind, length: UInt64) throws(StoreError) -> TreeEditor {
        try TreeEditor(self, base: base, kind: kind, length: length)
    }
}
