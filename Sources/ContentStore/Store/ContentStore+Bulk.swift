import Glibc
import Synchronization

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
        let range = range ?? 0..<tree.length
        let step: UInt64 = 1 << 20
        var statistics = BulkReadStatistics()
        for extent in try extents(of: tree, from: range.lowerBound, length: range.upperBound - range.lowerBound)
        where extent.kind == .data {
            var position = extent.offset
            while position < extent.offset + extent.length {
                let count = min(step, extent.offset + extent.length - position)
                let bytes = try read(tree, at: position, count: Int(count))
                try bytes.withUnsafeBytes { try body(position, $0) }
                statistics.bytes += count
                position += count
            }
        }
        return statistics
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
        try read(tree, at: offset, into: buffer)
        return BulkReadStatistics()
    }

    /// Writes a tree to a file or block device, on all cores, with holes where the tree is zero.
    ///
    /// What was in the file is replaced; the file is made at least `offset` plus the length of the tree long, and not shorter.
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
        let fileSystem = fileSystem
        do {
            return try forEachPiece(of: tree, options: options) { position, bytes in
                try FileDescriptor.write(
                    bytes, to: descriptor, at: offset + position, path: name, fileSystem: fileSystem)
            }
        } catch let error as StoreError {
            throw error
        } catch {
            throw StoreError(.io, "restoring a tree failed", path: name, cause: "\(error)")
        }
    }
}
