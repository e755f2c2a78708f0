/// What the clusters of a new file hold so far, for a source that says something about a part of a cluster.
struct LowerContents: Sendable {
    let mapping: Qcow2Mapping
    let store: ClusterStore
    let options: Qcow2WriteOptions
    /// Bytes of the new disk.
    let size: UInt64

    /// Fills whole clusters with what lies below, and the source's extents over it.
    ///
    /// - Parameter length: Bytes of the source from `start` on; the rest of the buffer is behind its end.
    func merge(
        _ source: any DiskImage, at start: UInt64, length: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(DiskImageError) {
        let extents = try source.extents(from: start, length: UInt64(length))
        // Behind the end of a smaller source the disk stays as it is; behind the end of the disk there is nothing.
        if extents.contains(where: { $0.kind == .unallocated })
            || (length < buffer.count && start + UInt64(length) < size)
        {
            try read(at: start, into: buffer)
        } else {
            buffer.slice(length, buffer.count - length).zero()
        }
        for extent in extents {
            let part = buffer.slice(Int(extent.offset - start), Int(extent.length))
            switch extent.kind {
            case .data: try source.read(at: extent.offset, into: part)
            case .zero: part.zero()
            case .unallocated: break
            }
        }
    }

    private func read(at start: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(DiskImageError) {
        let clusterSize = Int(store.geometry.clusterSize)
        for offset in stride(from: 0, to: buffer.count, by: clusterSize) {
            let position = start + UInt64(offset)
            let part = buffer.slice(offset, clusterSize)
            let entry = mapping[position >> store.geometry.clusterBits]
            switch entry {
            case 0: try readBacking(at: position, into: part)
            case Qcow2Mapping.zeroEntry: part.zero()
            default:
                guard let place = Qcow2L2Entry.compressedPlace(entry, geometry: store.geometry) else {
                    try store.file.read(at: entry, into: part)
                    continue
                }
                try expand(place, into: part)
            }
        }
    }

    private func readBacking(at start: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(DiskImageError) {
        guard let backing = options.backing else { return buffer.zero() }
        guard let image = backing.image else {
            throw DiskImageError(
                .backingUnavailable,
                "the source says something about a part of the cluster at byte \(start) only, and the rest is in "
                    + "\(backing.file); give that image too, or use clusters of \(options.clusterSize / 2) bytes or less"
            )
        }
        let shared = start < image.virtualSize ? Int(min(UInt64(buffer.count), image.virtualSize - start)) : 0
        if shared > 0 { try image.read(at: start, into: buffer.slice(0, shared)) }
        buffer.slice(shared, buffer.count - shared).zero()
    }

    private func expand(
        _ place: (offset: UInt64, length: Int), into buffer: UnsafeMutableRawBufferPointer
    ) throws(DiskImageError) {
        var input = [UInt8](repeating: 0, count: place.length)
        var failure: DiskImageError?
        input.withUnsafeMutableBytes { bytes in
            do throws(DiskImageError) { try store.file.read(at: place.offset, into: bytes) } catch { failure = error }
        }
        if let failure { throw failure }
        guard
            let cluster = ClusterDecompressor.expand(
                input, to: buffer.count, compression: options.compression.headerType)
        else {
            throw DiskImageError(
                .io,
                "what was written for \(store.file.path) at byte \(place.offset) reads otherwise; check the disk, or choose another place"
            )
        }
        copy(cluster, into: buffer)
    }

    /// Apart, because of the fault of the Swift 6.3 optimiser that ``UnsafeMutableRawBufferPointer/zero()`` tells of.
    @inline(never)
    private func copy(_ cluster: [UInt8], into buffer: UnsafeMutableRawBufferPointer) {
        cluster.withUnsafeBytes { buffer.copyMemory(from: $0) }
    }
}
