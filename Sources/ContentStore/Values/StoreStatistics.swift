/// How much a store holds.
package struct StoreStatistics: Hashable, Sendable, Codable {
    /// The number of packs.
    package var packs = 0
    /// The size of all packs in bytes.
    package var packBytes: UInt64 = 0
    /// The number of index files.
    package var indexes = 0
    /// The size of all index files in bytes.
    package var indexBytes: UInt64 = 0
    /// The number of objects in the packs; one that is in two packs counts twice.
    package var objects: UInt64 = 0
    /// The number of refs.
    package var refs = 0
    /// The number of operations in the log.
    package var operations = 0

    package init() {}
}

/// What an ingest has done so far.
package struct IngestStatistics: Hashable, Sendable, Codable {
    /// Bytes handed to the ingest: writes to trees (zeros too), blobs and commits.
    package var bytesRead: UInt64 = 0
    /// Plain bytes that the store did not have yet, nodes of trees included.
    package var newBytes: UInt64 = 0
    /// Bytes written to packs.
    package var storedBytes: UInt64 = 0
    /// Chunks and pages that were not all zero.
    package var leaves: UInt64 = 0
    /// Those of them that the store, or this ingest, had already.
    package var leavesReused: UInt64 = 0
    /// Chunks and pages written that were all zero.
    package var leavesZero: UInt64 = 0

    package init() {}
}
