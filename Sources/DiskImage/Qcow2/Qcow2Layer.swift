import Synchronization

/// What one qcow2 file holds for one disk: the active one or a snapshot's.
///
/// Nothing below the file is consulted: `.unallocated` extents read as zeros here. Put a backing image under it with ``LayeredImage``.
package final class Qcow2Layer: DiskImage {
    package let virtualSize: UInt64
    let file: ImageFile
    private let geometry: Qcow2Geometry
    private let version: UInt32
    private let compression: Qcow2Header.Compression
    /// Offsets of the L2 tables, 0 = none.
    private let l1: [UInt64]
    private let caches = Mutex(Caches())

    private struct Caches {
        var tables = LeastRecentCache<[UInt64]>(maximumCount: 128, maximumBytes: 8 << 20)
        var clusters = LeastRecentCache<[UInt8]>(maximumCount: 128, maximumBytes: 8 << 20)
    }

    /// Reads the L1 table.
    ///
    /// - Parameter name: What the table belongs to, for errors.
    /// - Throws: `.truncated`, `.corrupt`.
    init(
        file: ImageFile, header: Qcow2Header, virtualSize: UInt64, l1Offset: UInt64, l1Entries: Int, name: String
    ) throws(DiskImageError) {
        self.file = file
        self.virtualSize = virtualSize
        geometry = header.geometry
        version = header.version
        compression = header.compression
        l1 = try file.words(at: l1Offset, count: l1Entries, what: "L1 table of \(name)")
            .map { $0 & Qcow2L2Entry.offsetMask }
        let tables = l1.filter { $0 != 0 }.sorted()
        // A table in use twice is damage, and would make a walk longer than the file.
        for (one, other) in zip(tables, tables.dropFirst()) where one == other {
            throw file.corrupt("the L1 table of \(name) has two entries for the L2 table at \(one)", at: l1Offset)
        }
    }

    package func extents(from offset: UInt64, length: UInt64) throws(DiskImageError) -> [DiskExtent] {
        try checkRange(offset, length)
        var extents: [DiskExtent] = []
        var position = offset
        while position < offset + length {
            let run = try run(at: position, before: offset + length)
            try extents.append(merging: DiskExtent(offset: position, length: run.length, kind: run.kind))
            position += run.length
        }
        return extents
    }

    package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(DiskImageError) {
        try checkRange(offset, UInt64(buffer.count))
        try readMapped(at: offset, into: buffer)
    }

    /// Reads anywhere the L1 table maps, also behind the disk, where the VM state is.
    ///
    /// The caller has checked that `offset + buffer.count` does not overflow.
    func readMapped(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(DiskImageError) {
        var done = 0
        while done < buffer.count {
            let position = offset + UInt64(done)
            let run = try run(at: position, before: offset + UInt64(buffer.count))
            let part = buffer.slice(done, Int(run.length))
            switch run.source {
            case .zero, .unallocated: part.zero()
            case .data(let host): try file.read(at: host, into: part, what: "data of disk byte \(position)")
            case .compressed(let entry):
                let cluster = try expandedCluster(entry, position: position)
                let start = Int(position & geometry.clusterMask)
                cluster.withUnsafeBytes {
                    part.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start..<start + part.count]))
                }
            }
            done += part.count
        }
    }

    /// The longest run from a byte that one L2 table (or a gap of the L1 table) describes.
    private func run(at offset: UInt64, before end: UInt64) throws(DiskImageError) -> Qcow2Run {
        let shift = geometry.l1Shift
        let first = offset >> shift
        guard first < UInt64(l1.count), l1[Int(first)] != 0 else {
            var next = first + 1
            while next << shift < end, next >= UInt64(l1.count) || l1[Int(next)] == 0 {
                // Behind the L1 table nothing is allocated, however large the disk.
                next = next >= UInt64(l1.count) ? end >> shift + 1 : next + 1
            }
            return Qcow2Run(length: min(next << shift, end) - offset, source: .unallocated)
        }
        let table = try l2Table(at: l1[Int(first)])
        let tableEnd = min((first + 1) << shift, end)
        var run = try clusterRun(in: table, at: offset)
        while offset + run.length < tableEnd {
            let next = try clusterRun(in: table, at: offset + run.length)
            if !run.extend(by: next) { break }
        }
        run.length = min(run.length, tableEnd - offset)
        return run
    }

    private func clusterRun(in table: [UInt64], at offset: UInt64) throws(DiskImageError) -> Qcow2Run {
        let index = Int(offset >> geometry.clusterBits & (geometry.l2Entries - 1))
        let entry = geometry.extendedL2 ? table[index * 2] : table[index]
        do throws(Qcow2L2Entry.Invalid) {
            return try Qcow2L2Entry.run(
                entry: entry, bitmap: geometry.extendedL2 ? table[index * 2 + 1] : nil,
                at: offset & geometry.clusterMask, geometry: geometry, version: version)
        } catch {
            let tableOffset = l1[Int(offset >> geometry.l1Shift)]
            throw file.corrupt(
                "the L2 entry for disk byte \(offset) is invalid: \(error.reason)",
                at: tableOffset + UInt64(index * (geometry.extendedL2 ? 16 : 8)))
        }
    }

    private func l2Table(at offset: UInt64) throws(DiskImageError) -> [UInt64] {
        if let table = caches.withLock({ $0.tables.value(for: offset) }) { return table }
        guard offset & geometry.clusterMask == 0 else {
            throw file.corrupt("an L2 table is not at the start of a cluster", at: offset)
        }
        let table = try file.words(at: offset, count: geometry.l2Words, what: "L2 table")
        caches.withLock { $0.tables.insert(table, bytes: table.count * 8, for: offset) }
        return table
    }

    private func expandedCluster(_ entry: UInt64, position: UInt64) throws(DiskImageError) -> [UInt8] {
        let (offset, length) = Qcow2L2Entry.compressedRange(entry, geometry: geometry)
        if let cluster = caches.withLock({ $0.clusters.value(for: entry) }) { return cluster }
        var input = [UInt8](repeating: 0, count: length)
        var failure: DiskImageError?
        // The file may end inside the last sector.
        let available = input.withUnsafeMutableBytes { buffer in
            do throws(DiskImageError) { return try file.readAvailable(at: offset, into: buffer) } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw failure }
        input.removeLast(length - available)
        guard
            let cluster = ClusterDecompressor.expand(input, to: Int(geometry.clusterSize), compression: compression)
        else {
            throw file.corrupt(
                "the compressed cluster for disk byte \(position & ~geometry.clusterMask) does not expand "
                    + "(\(compression), \(available) of \(length) bytes in the file)", at: offset)
        }
        caches.withLock { $0.clusters.insert(cluster, bytes: cluster.count, for: entry) }
        return cluster
    }
}
