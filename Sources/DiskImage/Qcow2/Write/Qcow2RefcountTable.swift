/// The reference counts of a new file's clusters, 16 bits each.
struct Qcow2RefcountTable {
    static let order: UInt32 = 4

    private let clusterBits: UInt64
    private var counts: [UInt16]

    /// - Parameter end: Length of the file without these counts.
    init(clusterBits: UInt64, end: UInt64) {
        self.clusterBits = clusterBits
        counts = [UInt16](repeating: 0, count: Int(end >> clusterBits))
    }

    /// The count of the cluster at an offset.
    subscript(offset: UInt64) -> UInt16 { counts[Int(offset >> clusterBits)] }

    /// Counts one reference to each cluster that a range touches.
    ///
    /// - Throws: `.unsupported` above 65535 references.
    mutating func add(_ offset: UInt64, length: UInt64) throws(DiskImageError) {
        if length == 0 { return }
        for cluster in Int(offset >> clusterBits)...Int((offset + length - 1) >> clusterBits) {
            guard counts[cluster] < .max else {
                throw DiskImageError(
                    .unsupported,
                    "a cluster would have more than 65535 references; write fewer snapshots into one file")
            }
            counts[cluster] += 1
        }
    }

    /// Counts what an L1 table refers to: its L2 tables and all their clusters.
    mutating func add(_ mapping: Qcow2Mapping, geometry: Qcow2Geometry) throws(DiskImageError) {
        for table in mapping.tables.values {
            try add(table.host, length: 1)
            for entry in table.entries where entry > Qcow2Mapping.zeroEntry {
                if let compressed = Qcow2L2Entry.compressedPlace(entry, geometry: geometry) {
                    try add(compressed.offset, length: UInt64(compressed.length))
                } else {
                    try add(entry, length: 1)
                }
            }
        }
    }

    /// Writes the blocks and the table behind everything else; they count themselves.
    ///
    /// - Returns: Offset and clusters of the table.
    func write(to store: ClusterStore) throws(DiskImageError) -> (offset: UInt64, clusters: UInt32) {
        let clusterSize: UInt64 = 1 << clusterBits
        let perBlock = clusterSize / 2
        let perTable = clusterSize / 8
        var blocks: UInt64 = 0
        var tables: UInt64 = 0
        while true {
            let clusters = UInt64(counts.count) + blocks + tables
            let needed = (clusters + perBlock - 1) / perBlock
            let neededTables = (needed + perTable - 1) / perTable
            if needed == blocks, neededTables == tables { break }
            (blocks, tables) = (needed, neededTables)
        }
        guard tables * clusterSize <= Qcow2Header.maximumRefcountTableBytes else {
            throw DiskImageError(
                .unsupported, "the file is too large for clusters of \(clusterSize) bytes; use larger clusters")
        }
        let all = counts.map(\.bigEndian) + [UInt16](repeating: UInt16(1).bigEndian, count: Int(blocks + tables))
        let blocksOffset = store.allocate(holding: blocks * clusterSize)
        let tableOffset = store.allocate(holding: tables * clusterSize)
        var failure: DiskImageError?
        all.withUnsafeBytes { bytes in
            do throws(DiskImageError) { try store.file.write(bytes, at: blocksOffset) } catch { failure = error }
        }
        if let failure { throw failure }
        try store.file.write(words: (0..<blocks).map { blocksOffset + $0 * clusterSize }, at: tableOffset)
        return (tableOffset, UInt32(tables))
    }
}
