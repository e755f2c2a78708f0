extension ContentStore {
    /// Reads the data of a tree, or of a range of it, on all cores.
    ///
    /// - Parameters:
    ///   - range: offsets within the tree; nil for the whole.
    ///   - body: gets bytes and their offset in the tree. It is called by several threads at the same time, in no order, with pieces
    ///     that do not overlap and lie within the range. Zeros are skipped, so what no piece covers is zero. The bytes are valid
    ///     during the call only. An error it throws ends the reading and is thrown on.
    /// - Throws: `StoreError` as ``read(_:at:into:)`` does, or what `body` throws.
    @discardableResult
    package func forEachPiece(
        of tree: TreeRoot, in range: Range<UInt64>? = nil, options: BulkReadOptions = BulkReadOptions(),
        _ body: @escaping @Sendable (_ offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws -> Void
    ) throws -> BulkReadStatistics {
        try readBulk(tree, range ?? 0..<tree.length, ClosureSink(body: body), options)
    }

    /// Fills memory with bytes of a tree, on all cores: `buffer.count` bytes from `offset` on.
    ///
    /// - Parameter isZeroed: the memory reads as zeros, such as a mapping of a new file: then what is zero in the tree is not touched.
    /// - Throws: as ``read(_:at:into:)``; the memory's contents are then of no use.
    @discardableResult
    package func fill(
        _ buffer: UnsafeMutableRawBufferPointer, from tree: TreeRoot, at offset: UInt64 = 0, isZeroed: Bool,
        options: BulkReadOptions = BulkReadOptions()
    ) throws(StoreError) -> BulkReadStatistics {
        try checkRange(tree, offset, UInt64(buffer.count))
        let sink = MemorySink(memory: buffer, origin: offset, wantsZeros: !isZeroed)
        let range = offset..<offset + UInt64(buffer.count)
        return try withStoreErrors { try readBulk(tree, range, sink, options) }
    }

    /// Writes a tree to a file or block device, on all cores.
    ///
    /// At offset 0 of a file, the file is replaced: it becomes as long as the tree, with holes where the tree is zero. Elsewhere in a file
    /// and on a device zeros are written, and what is before and behind stays. Nothing is synchronized.
    ///
    /// - Parameters:
    ///   - descriptor: open for writing, not for appending; its position is not used.
    ///   - offset: where the tree begins in the file.
    ///   - name: what to call the file in errors.
    /// - Throws: as ``read(_:at:into:)``, or `noSpace`, `io` for the file.
    @discardableResult
    package func restore(
        _ tree: TreeRoot, toDescriptor descriptor: Int32, at offset: UInt64 = 0, name: String,
        options: BulkReadOptions = BulkReadOptions()
    ) throws(StoreError) -> BulkReadStatistics {
        try checkRange(tree, 0, tree.length)
        let sink = try FileSink(
            descriptor, name: name, origin: offset, length: tree.length, fileSystem: fileSystem)
        return try withStoreErrors { try readBulk(tree, 0..<tree.length, sink, options) }
    }

    private func readBulk(
        _ tree: TreeRoot, _ range: Range<UInt64>, _ sink: some BulkSink, _ options: BulkReadOptions
    ) throws -> BulkReadStatistics {
        try checkRange(tree, range.lowerBound, range.upperBound - range.lowerBound)
        let reader = BulkReader(
            store: self, tree: tree, shape: TreeShape(tree.kind), range: range, sink: sink, options: options)
        return try reader.run()
    }

    /// Runs what throws nothing but errors of the store.
    private func withStoreErrors<Result>(_ body: () throws -> Result) throws(StoreError) -> Result {
        do {
            return try body()
        } catch let error as StoreError {
            throw error
        } catch {
            throw StoreError(.io, "reading a tree failed", path: path, cause: "\(error)")
        }
    }
}
