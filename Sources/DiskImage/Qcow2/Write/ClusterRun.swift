/// Adjacent clusters of which a source says the same.
struct ClusterRun: Sendable, Equatable {
    enum Kind: Sendable, Equatable {
        /// The source has bytes for all of it.
        case data
        /// It reads as zeros.
        case zero
        /// The source says nothing.
        case unallocated
        /// The source says something about a part and nothing about the rest.
        case mixed
    }

    /// Number of the first cluster.
    var first: UInt64
    /// How many clusters, never 0.
    var count: UInt64
    var kind: Kind
}

/// Turns extents, which begin and end anywhere, into runs of whole clusters.
struct ClusterRunBuilder {
    private let shift: UInt64
    private let size: UInt64
    /// What is said about the rest of the last cluster, behind the end of the source.
    private let behind: UInt8
    /// What extents said about the cluster that the last one ended in: bits of `Said`.
    private var said: UInt8 = 0

    private enum Said {
        static let data: UInt8 = 1
        static let zero: UInt8 = 2
        static let nothing: UInt8 = 4
    }

    /// - Parameters:
    ///   - size: Bytes of the source; its last cluster may be a part of one.
    ///   - diskSize: Bytes of the disk that it is written to, of which it may be the first part.
    init(clusterBits: UInt64, size: UInt64, diskSize: UInt64) {
        shift = clusterBits
        self.size = size
        behind = size < diskSize ? Said.nothing : 0
    }

    /// Takes the next extent; extents come in order and without gaps.
    ///
    /// - Parameter emit: Takes the runs that are complete now.
    mutating func add(_ extent: DiskExtent, _ emit: (ClusterRun) throws -> Void) rethrows {
        let mask: UInt64 = (1 << shift) - 1
        let mark =
            switch extent.kind {
            case .data: Said.data
            case .zero: Said.zero
            case .unallocated: Said.nothing
            }
        var position = extent.offset
        let end = extent.end
        // The rest of a cluster that was begun.
        if position & mask != 0 {
            said |= mark
            let clusterEnd = (position | mask) + 1
            if end < clusterEnd, end < size { return }
            if end < clusterEnd { said |= behind }
            try emit(ClusterRun(first: position >> shift, count: 1, kind: Self.kind(said)))
            said = 0
            position = clusterEnd
        }
        if position >= end { return }
        let whole = end >> shift - position >> shift
        if whole > 0 { try emit(ClusterRun(first: position >> shift, count: whole, kind: Self.kind(mark))) }
        if end & mask == 0 { return }
        if end < size {
            said = mark
        } else {
            try emit(ClusterRun(first: end >> shift, count: 1, kind: Self.kind(mark | behind)))
        }
    }

    private static func kind(_ said: UInt8) -> ClusterRun.Kind {
        switch said {
        case Said.nothing: .unallocated
        case Said.zero: .zero
        case Said.data, Said.data | Said.zero: .data
        default: .mixed
        }
    }
}
