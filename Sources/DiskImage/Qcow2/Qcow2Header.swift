/// The checked header of a qcow2 file (specification, "Header" and "Header extensions").
struct Qcow2Header: Sendable, Hashable {
    static let magic: [UInt8] = [0x51, 0x46, 0x49, 0xfb]
    /// 32 MiB of 8-byte entries, QEMU's limit for one L1 table.
    static let maximumL1Entries = (32 << 20) / 8
    static let maximumSnapshots: UInt32 = 65_536
    static let maximumRefcountTableBytes: UInt64 = 8 << 20

    /// How compressed clusters are compressed.
    enum Compression: UInt8, Sendable { case deflate = 0, zstd = 1 }

    /// Bits of `incompatible_features`.
    enum Feature {
        static let dirty: UInt64 = 1 << 0
        static let corrupt: UInt64 = 1 << 1
        static let externalDataFile: UInt64 = 1 << 2
        static let compressionType: UInt64 = 1 << 3
        static let extendedL2: UInt64 = 1 << 4
        static let supported = dirty | corrupt | compressionType | extendedL2
    }

    var version: UInt32
    var geometry: Qcow2Geometry
    /// Disk size in bytes.
    var size: UInt64
    var l1Entries: Int
    var l1Offset: UInt64
    var snapshotCount: UInt32
    var snapshotsOffset: UInt64
    var incompatibleFeatures: UInt64
    var compression: Compression
    var backingFile: String?
    var backingFormat: String?

    /// Reads and checks the header.
    ///
    /// - Throws: `.wrongFormat`, `.unsupported`, `.corrupt`, `.truncated`, each naming the field.
    init(file: ImageFile) throws(DiskImageError) {
        let fileSize = try file.size()
        // The longest first cluster; the header and its extensions end within it.
        let window = Int(min(fileSize, 1 << UInt64(Qcow2Geometry.clusterBits.upperBound)))
        var bytes = try file.bytes(at: 0, count: min(window, 4096), what: "qcow2 header")
        do {
            var fields = BigEndianReader(bytes)
            guard try Array(fields.next(count: 4)) == Self.magic else {
                throw DiskImageError(.wrongFormat, "\(file.path) is not a qcow2 image (no magic 51 46 49 fb at byte 0)")
            }
            version = try fields.next()
            guard version == 2 || version == 3 else {
                throw DiskImageError(
                    .unsupported, "\(file.path) is a qcow image of version \(version); 2 and 3 are read")
            }
            let backingOffset: UInt64 = try fields.next()
            let backingLength: UInt32 = try fields.next()
            let clusterBits: UInt32 = try fields.next()
            guard Qcow2Geometry.clusterBits.contains(clusterBits) else {
                throw file.corrupt("cluster_bits is \(clusterBits), not 9 to 21", at: 20)
            }
            let clusterSize = 1 << Int(clusterBits)
            if clusterSize > bytes.count, window > bytes.count {
                bytes = try file.bytes(at: 0, count: min(window, clusterSize), what: "qcow2 header cluster")
                let position = fields.position
                fields = BigEndianReader(bytes)
                try fields.seek(to: position)
            }
            size = try fields.next()
            let encryption: UInt32 = try fields.next()
            guard encryption == 0 else {
                throw DiskImageError(
                    .unsupported,
                    "\(file.path) is encrypted (crypt_method \(encryption)); decrypt it first with qemu-img convert --object secret,..."
                )
            }
            let l1Count: UInt32 = try fields.next()
            l1Offset = try fields.next()
            let refcountOffset: UInt64 = try fields.next()
            let refcountClusters: UInt32 = try fields.next()
            snapshotCount = try fields.next()
            snapshotsOffset = try fields.next()

            var headerLength = 72
            incompatibleFeatures = 0
            compression = .deflate
            if version >= 3 {
                incompatibleFeatures = try fields.next()
                try fields.seek(to: 96)
                let refcountOrder: UInt32 = try fields.next()
                guard refcountOrder <= 6 else {
                    throw file.corrupt("refcount_order is \(refcountOrder), above 6", at: 96)
                }
                let length: UInt32 = try fields.next()
                guard length >= 104, length <= clusterSize, length % 8 == 0 else {
                    throw file.corrupt("header_length is \(length)", at: 100)
                }
                headerLength = Int(length)
                if headerLength > 104 {
                    let type: UInt8 = try fields.next()
                    guard let known = Compression(rawValue: type) else {
                        throw DiskImageError(
                            .unsupported,
                            "\(file.path) has compression type \(type) (byte 104); 0 (deflate) and 1 (zstd) are read")
                    }
                    compression = known
                }
            }

            // The name ends the extension area, so it bounds the walk over the extensions.
            var extensionsEnd = min(clusterSize, bytes.count)
            if backingOffset != 0 {
                guard backingLength <= 1023, backingOffset >= UInt64(headerLength),
                    backingOffset <= UInt64(clusterSize), backingOffset + UInt64(backingLength) <= UInt64(clusterSize)
                else {
                    throw file.corrupt(
                        "the backing file name (\(backingLength) bytes at \(backingOffset)) is not in the first cluster",
                        at: 8)
                }
                extensionsEnd = min(extensionsEnd, Int(backingOffset))
                var name = fields
                try name.seek(to: Int(backingOffset))
                let text = String(decoding: try name.next(count: Int(backingLength)), as: UTF8.self)
                backingFile = text.isEmpty ? nil : text
            }
            let extensions = try Qcow2HeaderExtensions(
                Array(bytes[..<extensionsEnd]), from: headerLength, file: file)
            backingFormat = extensions.backingFormat

            let unknown = incompatibleFeatures & ~Feature.supported
            guard unknown == 0 else {
                throw DiskImageError(
                    .unsupported,
                    "\(file.path) needs qcow2 features that are not read here (\(extensions.names(of: unknown))); "
                        + "make a plain copy with qemu-img convert -O qcow2")
            }
            guard (incompatibleFeatures & Feature.compressionType != 0) == (compression != .deflate) else {
                throw file.corrupt("the compression type (byte 104) contradicts incompatible_features", at: 72)
            }
            let extended = incompatibleFeatures & Feature.extendedL2 != 0
            guard !extended || clusterBits >= 14 else {
                throw file.corrupt("extended L2 entries with cluster_bits \(clusterBits), below 14", at: 20)
            }
            geometry = Qcow2Geometry(clusterBits: clusterBits, extendedL2: extended)

            l1Entries = Int(l1Count)
            guard l1Entries <= Self.maximumL1Entries else {
                throw file.corrupt("the L1 table has \(l1Entries) entries, above \(Self.maximumL1Entries)", at: 36)
            }
            guard let needed = geometry.l1Entries(covering: size), needed <= l1Entries else {
                throw file.corrupt("an L1 table of \(l1Entries) entries does not cover a disk of \(size) bytes", at: 36)
            }
            guard snapshotCount <= Self.maximumSnapshots else {
                throw file.corrupt("\(snapshotCount) snapshots, above \(Self.maximumSnapshots)", at: 60)
            }
            let refcountBytes = UInt64(refcountClusters) << UInt64(clusterBits)
            guard refcountClusters > 0, refcountBytes <= Self.maximumRefcountTableBytes else {
                throw file.corrupt("the refcount table has \(refcountClusters) clusters", at: 56)
            }
            for (offset, field, name) in [
                (l1Offset, 40, "l1_table_offset"), (refcountOffset, 48, "refcount_table_offset"),
                (snapshotCount == 0 ? 0 : snapshotsOffset, 64, "snapshots_offset"),
            ] where offset & geometry.clusterMask != 0 {
                throw file.corrupt("\(name) \(offset) is not at the start of a cluster", at: UInt64(field))
            }
            try file.checkInside(l1Offset, UInt64(l1Entries) * 8, what: "L1 table")
            try file.checkInside(refcountOffset, refcountBytes, what: "refcount table")
        } catch let error as DiskImageError {
            throw error
        } catch {
            throw DiskImageError(
                .truncated,
                "\(file.path) ends inside its qcow2 header (\(fileSize) bytes); the file is cut off: copy it again")
        }
    }
}

extension ImageFile {
    /// An error about a structure that contradicts the format.
    func corrupt(_ what: String, at offset: UInt64) -> DiskImageError {
        DiskImageError(.corrupt, "\(path) is damaged at byte \(offset): \(what); run qemu-img check on it")
    }
}
