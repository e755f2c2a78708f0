/// Writes a new qcow2 file: disks as layers over each other, snapshots between them.
///
/// ```
/// var writer = try Qcow2Writer(path: "vm.qcow2", virtualSize: disk.virtualSize)
/// try writer.write(disk)
/// try writer.addSnapshot(Qcow2NewSnapshot(name: "ready")) { sink in try sink.write(stream) }
/// let report = try writer.finish()
/// ```
///
/// Nothing has the name before `finish()`; a writer that is dropped leaves nothing.
package struct Qcow2Writer: ~Copyable {
    /// Tasks that are planned before they are done by all threads.
    private static let plannedBatches = 256

    let store: ClusterStore
    let options: Qcow2WriteOptions
    let geometry: Qcow2Geometry
    /// Size of the disk in bytes, a multiple of 512.
    package let virtualSize: UInt64
    var mapping: Qcow2Mapping
    var snapshots: [FrozenSnapshot] = []

    /// Begins a file; its disk reads as zeros, or as the backing file.
    ///
    /// - Parameter virtualSize: Rounded up to a multiple of 512.
    /// - Throws: `.exists`, `.cannotCreate`, `.noSpace`; `.unsupported` for a cluster size or a disk size that QEMU refuses.
    package init(
        path: String, virtualSize: UInt64, options: Qcow2WriteOptions = Qcow2WriteOptions()
    ) throws(DiskImageError) {
        let bits = UInt32(options.clusterSize.trailingZeroBitCount)
        guard options.clusterSize > 0, options.clusterSize == 1 << Int(bits), Qcow2Geometry.clusterBits.contains(bits)
        else {
            throw DiskImageError(
                .unsupported,
                "qcow2 has no clusters of \(options.clusterSize) bytes; give a power of two from 512 to 2097152")
        }
        let geometry = Qcow2Geometry(clusterBits: bits, extendedL2: false)
        let rounded = virtualSize.addingReportingOverflow(511)
        guard !rounded.overflow, geometry.l1Entries(covering: rounded.partialValue / 512 * 512) != nil else {
            throw DiskImageError(
                .unsupported,
                "a disk of \(virtualSize) bytes is too large for clusters of \(options.clusterSize) bytes; use larger clusters"
            )
        }
        let file = try NewFile(path: path, replaces: options.replaces, calls: options.calls)
        self.virtualSize = rounded.partialValue / 512 * 512
        self.options = options
        self.geometry = geometry
        store = ClusterStore(file: file, geometry: geometry, options: options)
        mapping = Qcow2Mapping(geometry: geometry)
    }

    /// Writes an image as the whole disk of a new file.
    ///
    /// - Parameter progress: Called with the bytes of the disk that are done; what it throws ends the work.
    @discardableResult
    package static func write(
        _ image: any DiskImage, to path: String, options: Qcow2WriteOptions = Qcow2WriteOptions(),
        progress: (UInt64) throws -> Void = { _ in }
    ) throws -> Qcow2WriteReport {
        var writer = try Qcow2Writer(path: path, virtualSize: image.virtualSize, options: options)
        try writer.write(image, progress: progress)
        return try writer.finish()
    }

    /// Writes what a source says over the disk so far: its data, its zeros; what it does not allocate stays.
    ///
    /// - Parameters:
    ///   - source: A whole disk or a layer, no larger than the disk.
    ///   - progress: Called with the bytes of the disk that are done; what it throws ends the work.
    /// - Throws: ``DiskImageError``: `.outOfRange` for a larger source, what reading causes, `.noSpace`, `.io`; `.backingUnavailable` when
    ///   a part of a cluster would come from a backing image that was not given.
    package mutating func write(
        _ source: any DiskImage, progress: (UInt64) throws -> Void = { _ in }
    ) throws {
        guard source.virtualSize <= virtualSize else {
            throw DiskImageError(
                .outOfRange,
                "a disk of \(source.virtualSize) bytes does not fit on the new one of \(virtualSize) bytes; make that larger"
            )
        }
        var builder = ClusterRunBuilder(
            clusterBits: geometry.clusterBits, size: source.virtualSize, diskSize: virtualSize)
        var planned: [ClusterRun] = []
        try source.forEachExtent { extent in
            try builder.add(extent) { run in
                switch run.kind {
                case .unallocated: return
                case .zero: mapping.fill(run, with: emptyEntry)
                case .data, .mixed:
                    var rest = run
                    while rest.count > 0 {
                        planned.append(firstBatch(of: rest))
                        rest.first += planned[planned.count - 1].count
                        rest.count -= planned[planned.count - 1].count
                        if planned.count < Self.plannedBatches { continue }
                        try copy(planned, from: source)
                        planned.removeAll(keepingCapacity: true)
                        try progress(min(rest.first << geometry.clusterBits, source.virtualSize))
                    }
                }
            }
        }
        try copy(planned, from: source)
        try progress(source.virtualSize)
    }

    /// What a cluster of zeros is in this file.
    private var emptyEntry: UInt64 { options.backing == nil ? 0 : Qcow2Mapping.zeroEntry }

    /// Batches begin at multiples of their size, so that a source with larger units is read in whole ones.
    private func firstBatch(of run: ClusterRun) -> ClusterRun {
        let count = min(run.count, store.batchClusters - run.first % store.batchClusters)
        return ClusterRun(first: run.first, count: count, kind: run.kind)
    }

    private mutating func copy(_ runs: [ClusterRun], from source: any DiskImage) throws {
        let below = LowerContents(mapping: mapping, store: store, options: options, size: virtualSize)
        let bits = geometry.clusterBits
        let entries = try store.store(runs) { run, buffer in
            let start = run.first << bits
            let length = Int(min(UInt64(buffer.count), source.virtualSize - start))
            if run.kind == .mixed || length < buffer.count {
                try below.merge(source, at: start, length: length, into: buffer)
            } else {
                try source.read(at: start, into: buffer)
            }
        }
        for (run, entries) in zip(runs, entries) {
            for (cluster, entry) in zip(run.first..., entries) {
                mapping[cluster] = entry == Qcow2Mapping.zeroEntry ? emptyEntry : entry
            }
        }
    }
}
