/// Sizes that follow from `cluster_bits` and the width of an L2 entry.
struct Qcow2Geometry: Sendable, Hashable {
    /// 512 bytes to 2 MiB, QEMU's limit.
    static let clusterBits: ClosedRange<UInt32> = 9...21
    static let subclustersPerCluster: UInt64 = 32

    let clusterBits: UInt64
    let extendedL2: Bool

    init(clusterBits: UInt32, extendedL2: Bool) {
        self.clusterBits = UInt64(clusterBits)
        self.extendedL2 = extendedL2
    }

    var clusterSize: UInt64 { 1 << clusterBits }
    var clusterMask: UInt64 { clusterSize - 1 }
    /// 64-bit words of one L2 table.
    var l2Words: Int { Int(clusterSize / 8) }
    private var l2Bits: UInt64 { clusterBits - (extendedL2 ? 4 : 3) }
    /// Clusters that one L2 table maps.
    var l2Entries: UInt64 { 1 << l2Bits }
    /// Bytes of disk that one L1 entry maps, as a shift; at most 39.
    var l1Shift: UInt64 { clusterBits + l2Bits }

    /// Entries that an L1 table needs for a disk, or nil above ``Qcow2Header/maximumL1Entries``.
    func l1Entries(covering size: UInt64) -> Int? {
        let whole = size >> l1Shift
        let entries = size & ((1 << l1Shift) - 1) == 0 ? whole : whole + 1
        return entries <= UInt64(Qcow2Header.maximumL1Entries) ? Int(entries) : nil
    }
}
