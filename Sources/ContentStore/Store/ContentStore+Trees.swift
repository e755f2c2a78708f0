import Glibc

extension ContentStore {
    /// Fills a buffer with bytes of a tree.
    ///
    /// Any offset and length within the tree; any thread. Throws `invalid` for a range outside the tree, `damaged` or `notFound` when
    /// bytes that were stored cannot be had: the buffer's contents are then of no use.
    package func read(
        _ tree: TreeRoot, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        let shape = TreeShape(tree.kind)
        try checkRange(tree, offset, UInt64(buffer.count))
        var cursor = TreeCursor(store: self, tree: tree, shape: shape)
        var reader = LeafReader(store: self, leafSize: shape.leafSize)
        var done = 0
        while done < buffer.count {
            let position = offset + UInt64(done)
            let leaf = position >> shape.leafBits
            let start = Int(position & (1 << shape.leafBits - 1))
            let rest = buffer.count - done
            let (digest, run) = try cursor.lookUp(leaf)
            guard let digest else {
                // `run` leaves from this one on are zero.
                let zeros = run > UInt64(buffer.count) ? UInt64(buffer.count) : run << shape.leafBits - UInt64(start)
                let count = Int(min(zeros, UInt64(rest)))
                buffer.part(done, count).initializeMemory(as: UInt8.self, repeating: 0)
                done += count
                continue
            }
            if start == 0, rest >= shape.leafSize {
                let count = try reader.readWhole(digest, into: buffer.part(done, rest)) { ahead throws(StoreError) in
                    try cursor.lookUp(leaf + UInt64(ahead)).digest
                }
                done += count * shape.leafSize
            } else {
                let count = min(shape.leafSize - start, rest)
                try reader.read(digest, from: start, into: buffer.part(done, count))
                done += count
            }
        }
    }

    /// Bytes of a tree. See ``read(_:at:into:)``.
    package func read(_ tree: TreeRoot, at offset: UInt64, count: Int) throws(StoreError) -> [UInt8] {
        guard count >= 0 else { throw StoreError(.invalid, "cannot read \(count) bytes") }
        try checkRange(tree, offset, UInt64(count))
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withMutableBytes { buffer throws(StoreError) in try read(tree, at: offset, into: buffer) }
        return bytes
    }

    /// One page of a RAM image (of 4 KiB; a last page that is cut short is padded with zeros).
    ///
    /// - Returns: false for a page of zeros; the buffer is then left as it was.
    package func page(
        _ tree: TreeRoot, index: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> Bool {
        let shape = TreeShape(tree.kind)
        guard tree.kind == .memory, buffer.count == shape.leafSize else {
            throw StoreError(.invalid, "pages of \(buffer.count) bytes cannot be read from a \(tree.kind) tree")
        }
        guard tree.length <= TreeShape.maximumLength, index < shape.leafCount(tree.length) else {
            throw StoreError(.invalid, "page \(index) is outside of a RAM image of \(tree.length) bytes")
        }
        var cursor = TreeCursor(store: self, tree: tree, shape: shape)
        guard let digest = try cursor.lookUp(index).digest else { return false }
        try readLeaf(digest, leafSize: shape.leafSize, from: 0, into: buffer)
        return true
    }

    /// Which parts of a range are data and which are zeros.
    ///
    /// The extents are in order, cover the range, and neighbours differ in kind. Data means that the chunk or page is stored.
    package func extents(of tree: TreeRoot, from offset: UInt64, length: UInt64) throws(StoreError) -> [Extent] {
        let shape = TreeShape(tree.kind)
        try checkRange(tree, offset, length)
        var extents: [Extent] = []
        var cursor = TreeCursor(store: self, tree: tree, shape: shape)
        let end = offset + length
        var position = offset
        while position < end {
            let leaf = position >> shape.leafBits
            let (digest, run) = try cursor.lookUp(leaf)
            let leafEnd = run >= TreeShape.maximumLength >> shape.leafBits ? end : (leaf + run) << shape.leafBits
            let next = min(end, leafEnd)
            let kind: Extent.Kind = digest == nil ? .zero : .data
            if let last = extents.indices.last, extents[last].kind == kind {
                extents[last].length += next - position
            } else {
                extents.append(Extent(offset: position, length: next - position, kind: kind))
            }
            position = next
        }
        return extents
    }

    /// Throws unless the range lies within the tree.
    func checkRange(_ tree: TreeRoot, _ offset: UInt64, _ length: UInt64) throws(StoreError) {
        guard tree.length <= TreeShape.maximumLength else {
            throw StoreError(.invalid, "a tree of \(tree.length) bytes is too large")
        }
        guard offset <= tree.length, length <= tree.length - offset else {
            throw StoreError(
                .invalid, "\(length) bytes at offset \(offset) are outside of a tree of \(tree.length) bytes")
        }
    }
}
