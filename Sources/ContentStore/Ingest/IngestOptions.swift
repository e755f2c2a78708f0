/// How an ingest stores what is new.
package struct IngestOptions: Sendable, Hashable {
    /// What frames of disks, nodes and blobs are compressed with.
    package var compression: Compression
    /// What frames of RAM are compressed with.
    package var memoryCompression: Compression
    /// How many chunks of a disk, side by side in the guest, share a frame: 1 to 16, a power of two.
    ///
    /// More make the store smaller, and a random read slower, which has to decode them all.
    package private(set) var chunksPerFrame: Int
    /// The size in bytes that a pack does not exceed (unless a single frame does): 64 KiB to 2 GiB.
    package var packSize: Int

    /// The usual: disks with zstd, RAM with LZ4, which a guest waits for when it resumes.
    package init(packSize: Int = PackFormat.targetSize) {
        self.init(compression: .zstd(level: 2), packSize: packSize)
        memoryCompression = .lz4
    }

    /// Everything with one compression.
    ///
    /// - Parameter chunksPerFrame: rounded to what is allowed; nil for what is usual with the compression.
    package init(
        compression: Compression, chunksPerFrame: Int? = nil, packSize: Int = PackFormat.targetSize
    ) {
        self.compression = compression
        memoryCompression = compression
        let chunks = min(max(chunksPerFrame ?? compression.usualChunksPerFrame, 1), 16)
        self.chunksPerFrame = 1 << (Int.bitWidth - 1 - chunks.leadingZeroBitCount)
        self.packSize = min(max(packSize, 1 << 16), 1 << 31)
    }
}
