/// A range of a layer that one host range, one compressed cluster, or none stands for.
struct Qcow2Run: Equatable {
    enum Source: Equatable {
        /// Plain bytes from this offset of the file on.
        case data(host: UInt64)
        /// Part of the compressed cluster that this L2 entry describes.
        case compressed(entry: UInt64)
        case zero
        case unallocated
    }

    var length: UInt64
    var source: Source

    /// Grows by a following run when both read as one.
    ///
    /// - Returns: false when `next` does not continue this run.
    mutating func extend(by next: Qcow2Run) -> Bool {
        switch (source, next.source) {
        case (.zero, .zero), (.unallocated, .unallocated): break
        case (.data(let host), .data(let nextHost)) where host + length == nextHost: break
        default: return false
        }
        length += next.length
        return true
    }

    var kind: DiskExtent.Kind {
        switch source {
        case .data, .compressed: .data
        case .zero: .zero
        case .unallocated: .unallocated
        }
    }
}

/// One entry of an L2 table, decoded (specification, "Cluster mapping" and "Extended L2 Entries").
struct Qcow2L2Entry {
    static let offsetMask: UInt64 = 0x00ff_ffff_ffff_fe00
    private static let compressed: UInt64 = 1 << 62
    private static let zero: UInt64 = 1 << 0

    /// Why an entry cannot be used.
    struct Invalid: Error {
        var reason: String
    }

    /// The run from a byte of a cluster to the end of the cluster, or of the subclusters that are alike.
    ///
    /// - Parameters:
    ///   - entry: The first word.
    ///   - bitmap: The subcluster bitmap, when entries are extended.
    ///   - offset: The byte inside the cluster.
    static func run(
        entry: UInt64, bitmap: UInt64?, at offset: UInt64, geometry: Qcow2Geometry, version: UInt32
    ) throws(Invalid) -> Qcow2Run {
        let rest = geometry.clusterSize - offset
        if entry & compressed != 0 { return Qcow2Run(length: rest, source: .compressed(entry: entry)) }
        let host = entry & offsetMask
        guard host & geometry.clusterMask == 0 else {
            throw Invalid(reason: "data offset \(host) is not at the start of a cluster")
        }
        if let bitmap { return try subclusterRun(bitmap, host: host, at: offset, geometry: geometry) }
        if entry & zero != 0 {
            guard version >= 3 else { throw Invalid(reason: "zero flag in an image of version 2") }
            return Qcow2Run(length: rest, source: .zero)
        }
        return Qcow2Run(length: rest, source: host == 0 ? .unallocated : .data(host: host + offset))
    }

    private static func subclusterRun(
        _ bitmap: UInt64, host: UInt64, at offset: UInt64, geometry: Qcow2Geometry
    ) throws(Invalid) -> Qcow2Run {
        let count = Qcow2Geometry.subclustersPerCluster
        let size = geometry.clusterSize / count
        let allocated = bitmap & 0xffff_ffff
        let zeros = bitmap >> 32
        guard allocated & zeros == 0 else {
            throw Invalid(reason: "subclusters that are both allocated and zero")
        }
        guard allocated == 0 || host != 0 else { throw Invalid(reason: "allocated subclusters without a cluster") }
        let first = offset / size
        func isLike(_ index: UInt64) -> Bool {
            allocated >> index & 1 == allocated >> first & 1 && zeros >> index & 1 == zeros >> first & 1
        }
        var end = first + 1
        while end < count, isLike(end) { end += 1 }
        let source: Qcow2Run.Source =
            if allocated >> first & 1 == 1 {
                .data(host: host + offset)
            } else if zeros >> first & 1 == 1 {
                .zero
            } else {
                .unallocated
            }
        return Qcow2Run(length: end * size - offset, source: source)
    }

    /// Where a compressed cluster's bytes are.
    ///
    /// - Returns: Offset in the file and the most bytes that the stream may have, at most two clusters.
    static func compressedRange(_ entry: UInt64, geometry: Qcow2Geometry) -> (offset: UInt64, length: Int) {
        let offsetBits = 62 - (geometry.clusterBits - 8)
        let offset = entry & ((1 << offsetBits) - 1)
        let sectors = (entry & (compressed - 1)) >> offsetBits + 1
        return (offset, Int(sectors * 512 - offset % 512))
    }

    /// Where a compressed cluster's bytes are, or nil for an entry of another kind.
    static func compressedPlace(_ entry: UInt64, geometry: Qcow2Geometry) -> (offset: UInt64, length: Int)? {
        entry & compressed == 0 ? nil : compressedRange(entry, geometry: geometry)
    }

    /// The entry of a compressed cluster.
    ///
    /// - Parameters:
    ///   - offset: Where its bytes begin in the file.
    ///   - length: How many bytes; at least 1, less than a cluster.
    static func compressed(at offset: UInt64, length: Int, geometry: Qcow2Geometry) -> UInt64 {
        let offsetBits = 62 - (geometry.clusterBits - 8)
        let moreSectors = (offset + UInt64(length) - 1) / 512 - offset / 512
        return compressed | moreSectors << offsetBits | offset
    }
}
