import Glibc
import Synchronization

/// Puts clusters into a new file: looks for zeros, compresses and writes on several threads, and says where they are.
final class ClusterStore: Sendable {
    /// Bytes that a thread works on at a time.
    static let batchBytes = 1 << 20

    let file: NewFile
    let geometry: Qcow2Geometry
    private let options: Qcow2WriteOptions
    private let state: Mutex<State>

    private struct State {
        var allocator: ClusterAllocator
        var report = Qcow2WriteReport()
    }

    /// What becomes of one cluster of a batch.
    private enum Fate {
        case zero
        case plain
        /// Its place among the compressed bytes of the batch.
        case compressed(start: Int, length: Int)
    }

    init(file: NewFile, geometry: Qcow2Geometry, options: Qcow2WriteOptions) {
        self.file = file
        self.geometry = geometry
        self.options = options
        state = Mutex(State(allocator: ClusterAllocator(clusterSize: geometry.clusterSize)))
    }

    /// Clusters that a thread works on at a time.
    var batchClusters: UInt64 { max(1, UInt64(Self.batchBytes) >> geometry.clusterBits) }

    /// What was stored so far.
    var report: Qcow2WriteReport { state.withLock { $0.report } }

    /// The length of the file so far.
    var end: UInt64 { state.withLock { $0.allocator.end } }

    /// The place of whole clusters in a row for a table of `bytes` bytes.
    func allocate(holding bytes: UInt64) -> UInt64 {
        state.withLock { $0.allocator.clusters(holding: bytes) }
    }

    /// Stores runs of at most ``batchClusters`` clusters.
    ///
    /// - Parameter fill: Gives the contents of a run; called on several threads at once.
    /// - Returns: For each run the L2 entries of its clusters, without the flag for a single reference;
    ///   ``Qcow2Mapping/zeroEntry`` for clusters of zeros.
    func store(
        _ runs: [ClusterRun],
        fill: @Sendable (ClusterRun, UnsafeMutableRawBufferPointer) throws -> Void
    ) throws -> [[UInt64]] {
        let entries = Mutex([[UInt64]](repeating: [], count: runs.count))
        try OrderedWork.perform(runs.count, threads: options.threads) { work in
            let size = Int(geometry.clusterSize)
            let capacity = Int(batchClusters) * size
            let input = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 4096)
            defer { input.deallocate() }
            let compressor = try ClusterCompressor(options.compression)
            let output = UnsafeMutableRawBufferPointer.allocate(
                byteCount: options.compression == .none ? 0 : capacity, alignment: 64)
            defer { output.deallocate() }
            while let index = work.claim() {
                let run = runs[index]
                let batch = input.slice(0, Int(run.count) * size)
                try fill(run, batch)
                var fates: [Fate] = []
                var used = 0
                for number in 0..<Int(run.count) {
                    let cluster = UnsafeRawBufferPointer(batch.slice(number * size, size))
                    if cluster.isZero {
                        fates.append(.zero)
                    } else if let length = compressor?.compress(
                        cluster, into: output.slice(used, size - size / 16))
                    {
                        fates.append(.compressed(start: used, length: length))
                        used += length
                    } else {
                        fates.append(.plain)
                    }
                }
                let places = try work.inOrder(index) { place(fates) }
                try write(fates, at: places, plain: UnsafeRawBufferPointer(batch), compressed: output)
                let found = zip(fates, places).map { entry(for: $0, at: $1) }
                entries.withLock { $0[index] = found }
            }
        }
        return entries.withLock { $0 }
    }

    /// Offsets in the file; 0 for zeros. Compressed clusters come first, so that they stay together.
    private func place(_ fates: [Fate]) -> [UInt64] {
        state.withLock { state in
            var places = [UInt64](repeating: 0, count: fates.count)
            for (number, fate) in fates.enumerated() {
                guard case .compressed(_, let length) = fate else { continue }
                places[number] = state.allocator.compressed(UInt64(length))
                state.report.compressedClusters += 1
                state.report.compressedBytes += UInt64(length)
            }
            for (number, fate) in fates.enumerated() {
                guard case .plain = fate else { continue }
                places[number] = state.allocator.clusters(1)
                state.report.plainClusters += 1
            }
            return places
        }
    }

    /// Writes what follows itself in memory and in the file with one call.
    private func write(
        _ fates: [Fate], at places: [UInt64], plain: UnsafeRawBufferPointer, compressed: UnsafeMutableRawBufferPointer
    ) throws(DiskImageError) {
        let size = Int(geometry.clusterSize)
        for isCompressed in [true, false] {
            var start = 0
            var length = 0
            var place: UInt64 = 0
            let memory = isCompressed ? UnsafeRawBufferPointer(compressed) : plain
            for (number, fate) in fates.enumerated() {
                let piece: (start: Int, length: Int)
                switch fate {
                case .plain where !isCompressed: piece = (number * size, size)
                case .compressed(let start, let length) where isCompressed: piece = (start, length)
                default: continue
                }
                if length > 0, piece.start == start + length, places[number] == place + UInt64(length) {
                    length += piece.length
                    continue
                }
                try file.write(UnsafeRawBufferPointer(rebasing: memory[start..<start + length]), at: place)
                (start, length, place) = (piece.start, piece.length, places[number])
            }
            try file.write(UnsafeRawBufferPointer(rebasing: memory[start..<start + length]), at: place)
        }
    }

    private func entry(for fate: Fate, at place: UInt64) -> UInt64 {
        switch fate {
        case .zero: Qcow2Mapping.zeroEntry
        case .plain: place
        case .compressed(_, let length): Qcow2L2Entry.compressed(at: place, length: length, geometry: geometry)
        }
    }
}

extension UnsafeRawBufferPointer {
    /// Whether every byte is 0.
    var isZero: Bool {
        guard let base = baseAddress, count > 0 else { return true }
        // Most buffers that are not zeros show it at once. Then every byte is compared with the one after it.
        return self[0] == 0 && self[count - 1] == 0 && memcmp(base, base + 1, count - 1) == 0
    }
}
