/// The first cluster of a new file: header of version 3, header extensions, name of the backing file.
struct Qcow2HeaderCluster {
    var geometry: Qcow2Geometry
    var size: UInt64
    var l1Entries: Int
    var l1Offset: UInt64
    var refcountTable: (offset: UInt64, clusters: UInt32)
    var snapshotCount: Int
    var snapshotsOffset: UInt64
    var compression: Qcow2Header.Compression
    var backing: Qcow2WriteOptions.Backing?

    private static let headerLength = 112
    private static let backingFormatType: UInt32 = 0xe279_2aca

    /// Bytes of the header up to the end of the backing file's name.
    ///
    /// - Throws: `.unsupported` when they are longer than a cluster, or the name is longer than 1023 bytes.
    func bytes() throws(DiskImageError) -> [UInt8] {
        var extensions = BigEndianWriter()
        if let backing {
            extensions.put(Self.backingFormatType)
            extensions.put(UInt32(backing.format.utf8.count))
            extensions.put(backing.format.utf8)
            extensions.align(to: 8)
        }
        // The end of the list: type 0, length 0.
        extensions.put(UInt64(0))
        let name = Array((backing?.file ?? "").utf8)
        let nameOffset = Self.headerLength + extensions.bytes.count
        guard name.count <= 1023, nameOffset + name.count <= Int(geometry.clusterSize) else {
            throw DiskImageError(
                .unsupported,
                "the backing file name has \(name.count) bytes, too many for the header; use a shorter or relative name"
            )
        }

        var header = BigEndianWriter()
        header.put(Qcow2Header.magic)
        header.put(UInt32(3))
        header.put(name.isEmpty ? UInt64(0) : UInt64(nameOffset))
        header.put(UInt32(name.count))
        header.put(UInt32(geometry.clusterBits))
        header.put(size)
        header.put(UInt32(0))  // crypt_method
        header.put(UInt32(l1Entries))
        header.put(l1Offset)
        header.put(refcountTable.offset)
        header.put(refcountTable.clusters)
        header.put(UInt32(snapshotCount))
        header.put(snapshotsOffset)
        header.put(compression == .zstd ? Qcow2Header.Feature.compressionType : 0)
        header.put(UInt64(0))  // compatible_features
        header.put(UInt64(0))  // autoclear_features
        header.put(Qcow2RefcountTable.order)
        header.put(UInt32(Self.headerLength))
        header.put(compression.rawValue)
        header.align(to: 8)
        return header.bytes + extensions.bytes + name
    }
}

extension Qcow2WriteOptions.Compression {
    /// The header's compression type; files without compressed clusters have QEMU's default.
    var headerType: Qcow2Header.Compression {
        if case .zstd = self { .zstd } else { .deflate }
    }
}
