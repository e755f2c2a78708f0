/// Gives out places in a new file, one after the other.
struct ClusterAllocator: Sendable {
    let clusterSize: UInt64
    /// Where the next cluster begins; the length of the file so far.
    private(set) var end: UInt64
    /// Where the last compressed cluster ended, 0 = there is none.
    private var packed: UInt64 = 0

    /// The first cluster is the header's.
    init(clusterSize: UInt64) {
        self.clusterSize = clusterSize
        end = clusterSize
    }

    /// The place of whole clusters in a row.
    mutating func clusters(_ count: UInt64) -> UInt64 {
        defer { end += count * clusterSize }
        return end
    }

    /// The place of clusters that hold `bytes` bytes.
    mutating func clusters(holding bytes: UInt64) -> UInt64 {
        clusters((bytes + clusterSize - 1) / clusterSize)
    }

    /// The place of a compressed cluster, shorter than a cluster.
    ///
    /// It follows the one before where there is room. It crosses a border only if the next cluster is the next one of the file.
    mutating func compressed(_ length: UInt64) -> UInt64 {
        let used = packed % clusterSize
        let room = used == 0 ? 0 : clusterSize - used
        if length > room {
            let isLast = packed != 0 && packed + room == end
            if !isLast { packed = end }
            end += clusterSize
        }
        defer { packed += length }
        return packed
    }
}
