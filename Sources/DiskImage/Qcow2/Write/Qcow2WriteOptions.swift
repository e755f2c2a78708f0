/// What a new qcow2 file is like.
package struct Qcow2WriteOptions: Sendable {
    /// How clusters are compressed.
    package enum Compression: Sendable, Hashable {
        case none
        /// Raw deflate, which every QEMU reads; level 1 to 9.
        case zlib(level: Int = 6)
        /// zstd, which QEMU reads since 5.1; level 1 to 19.
        case zstd(level: Int = 3)
    }

    /// The image under a new one.
    package struct Backing: Sendable {
        /// The name as it is put into the header; a relative one counts from the new file's directory.
        package var file: String
        /// Its format as QEMU names it, such as `qcow2` or `raw`.
        package var format: String
        /// Its contents, needed when a source says something about parts of a cluster only.
        package var image: (any DiskImage)?

        package init(file: String, format: String, image: (any DiskImage)? = nil) {
            self.file = file
            self.format = format
            self.image = image
        }
    }

    /// Unit of allocation in bytes: a power of two from 512 to 2 MiB.
    package var clusterSize = 65_536
    package var compression = Compression.none
    package var backing: Backing?
    /// An existing file of the name is replaced.
    package var replaces = false
    /// How many threads read, compress and write, at most; there are never more than processors.
    package var threads = ProcessorCount.online
    /// The system calls that make the file.
    package var calls: any OutputFileCalls = SystemFileCalls()

    package init() {}
}

/// What was written.
package struct Qcow2WriteReport: Sendable, Hashable {
    /// Length of the file in bytes.
    package var fileSize: UInt64 = 0
    /// Clusters stored as they are, each once, VM states included.
    package var plainClusters: UInt64 = 0
    /// Clusters stored compressed.
    package var compressedClusters: UInt64 = 0
    /// Bytes that the compressed clusters take.
    package var compressedBytes: UInt64 = 0
}
