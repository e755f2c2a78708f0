/// How an ingest stores what is new.
package struct IngestOptions: Sendable, Hashable {
    /// What frames are compressed with.
    package var compression: Compression
    /// The size in bytes that a pack does not exceed (unless a single frame does): 64 KiB to 2 GiB.
    package var packSize: Int

    package init(compression: Compression = .lz4, packSize: Int = 64 << 20) {
        self.compression = compression
        self.packSize = min(max(packSize, 1 << 16), 1 << 31)
    }
}
