/// Takes the VM state of a snapshot from front to back: a migration stream of any length.
///
/// Used by one thread, inside the closure of ``Qcow2Writer/addSnapshot(_:vmState:)``.
package final class Qcow2VMStateSink {
    /// Bytes that are collected before they are compressed and written by all threads.
    private static let window = 16 << 20

    private let store: ClusterStore
    /// Where the VM state begins, in clusters behind the begin of the disk.
    private let firstCluster: UInt64
    private var pending: [UInt8] = []
    private var storedClusters: UInt64 = 0
    private(set) var mapping: Qcow2Mapping
    /// Bytes taken so far.
    package private(set) var count: UInt64 = 0

    init(store: ClusterStore, firstCluster: UInt64) {
        self.store = store
        self.firstCluster = firstCluster
        mapping = Qcow2Mapping(geometry: store.geometry)
        pending.reserveCapacity(Self.window)
    }

    /// Takes the next bytes.
    ///
    /// - Throws: `.noSpace`, `.io`, `.unsupported` when a table would become larger than QEMU accepts.
    package func write(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = rest.prefix(Self.window - pending.count)
            pending.append(contentsOf: UnsafeRawBufferPointer(rebasing: part))
            rest = rest.dropFirst(part.count)
            if pending.count == Self.window { try flush() }
        }
        count += UInt64(bytes.count)
    }

    /// Writes what was collected; the last cluster is filled up with zeros.
    func flush() throws {
        let size = Int(store.geometry.clusterSize)
        let total = UInt64((pending.count + size - 1) / size)
        let start = firstCluster + storedClusters
        guard (start + total) / store.geometry.l2Entries < UInt64(Qcow2Header.maximumL1Entries) else {
            throw DiskImageError(
                .unsupported, "disk and VM state are too large for clusters of \(size) bytes; use larger clusters")
        }
        let runs = stride(from: UInt64(0), to: total, by: Int(store.batchClusters)).map {
            ClusterRun(first: $0, count: min(store.batchClusters, total - $0), kind: .data)
        }
        let bytes = pending
        let entries = try store.store(runs) { run, buffer in
            let offset = Int(run.first) * size
            bytes.withUnsafeBytes { source in
                let part = UnsafeRawBufferPointer(rebasing: source[offset..<min(source.count, offset + buffer.count)])
                buffer.slice(0, part.count).copyMemory(from: part)
                buffer.slice(part.count, buffer.count - part.count).zero()
            }
        }
        for (run, entries) in zip(runs, entries) {
            for (cluster, entry) in zip((start + run.first)..., entries) where entry != Qcow2Mapping.zeroEntry {
                mapping[cluster] = entry
            }
        }
        storedClusters += total
        pending.removeAll(keepingCapacity: true)
    }
}
