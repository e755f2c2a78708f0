// Signatures first: bodies follow file by file.

private func unbuilt() -> StoreError { StoreError(.io, "this part of the store is not written yet") }

/// A content-addressed store in a directory. Any number of threads and processes may use one at the same time.
package final class ContentStore: Sendable {
    package let path: String
    private init(path: String) { self.path = path }
    package static func open(at path: String, createIfMissing: Bool) throws(StoreError) -> ContentStore {
        throw unbuilt()
    }
    package func read(
        _ tree: TreeRoot, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) { throw unbuilt() }
    package func read(_ tree: TreeRoot, at offset: UInt64, count: Int) throws(StoreError) -> [UInt8] { throw unbuilt() }
    package func page(
        _ tree: TreeRoot, index: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> Bool { throw unbuilt() }
    package func extents(of tree: TreeRoot, from offset: UInt64, length: UInt64) throws(StoreError) -> [Extent] {
        throw unbuilt()
    }
    package func blob(_ digest: Digest) throws(StoreError) -> [UInt8] { throw unbuilt() }
    package func contains(_ digest: Digest) throws(StoreError) -> Bool { throw unbuilt() }
    package func commit(_ digest: Digest) throws(StoreError) -> Commit { throw unbuilt() }
    package func beginIngest(label: String) throws(StoreError) -> Ingest { throw unbuilt() }
    package func ref(_ name: String) throws(StoreError) -> Digest? { throw unbuilt() }
    package func refs(prefix: String) throws(StoreError) -> [(name: String, digest: Digest)] { throw unbuilt() }
    @discardableResult
    package func updateRefs(_ changes: [RefChange], operation: String) throws(StoreError) -> Operation {
        throw unbuilt()
    }
    package func operations() throws(StoreError) -> [Operation] { throw unbuilt() }
    package func verify(
        level: VerifyLevel, progress: (VerifyProgress) -> Void = { _ in }
    ) throws(StoreError) -> VerifyReport { throw unbuilt() }
    package func statistics() throws(StoreError) -> StoreStatistics { throw unbuilt() }
}

/// One writer: puts objects into the store. Nothing of it is visible before ``finish()``.
package final class Ingest {
    package var statistics: IngestStatistics { IngestStatistics() }
    package func edit(_ base: TreeRoot?, kind: TreeKind, length: UInt64) throws(StoreError) -> TreeEditor {
        throw unbuilt()
    }
    package func putBlob(_ bytes: UnsafeRawBufferPointer) throws(StoreError) -> Digest { throw unbuilt() }
    package func putBlob(_ bytes: [UInt8]) throws(StoreError) -> Digest { throw unbuilt() }
    package func putCommit(_ commit: Commit) throws(StoreError) -> Digest { throw unbuilt() }
    /// Makes everything durable. The lease is held until ``close()`` or the end of this object's life: update refs before.
    package func finish() throws(StoreError) { throw unbuilt() }
    /// `finish()`, then the refs, then `close()`.
    @discardableResult
    package func publish(_ changes: [RefChange], operation: String) throws(StoreError) -> Operation { throw unbuilt() }
    package func close() {}
}

/// Builds a tree from a base and writes at any place.
package final class TreeEditor {
    package func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) { throw unbuilt() }
    package func write(_ bytes: [UInt8], at offset: UInt64) throws(StoreError) { throw unbuilt() }
    package func zero(at offset: UInt64, length: UInt64) throws(StoreError) { throw unbuilt() }
    package func finish() throws(StoreError) -> TreeRoot { throw unbuilt() }
}
