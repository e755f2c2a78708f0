/// The unit in which leaves are hashed and compressed.
enum LeafBatch {
    /// Bytes of a full batch.
    static let size = 8 << 20
    /// How many pieces a batch is cut into, so that several threads have something to do.
    static let pieces = 32
}

extension Ingest {
    /// Stores leaves that lie one after the other; returns their digests. The caller keeps all other uses of the ingest away.
    ///
    /// All cores hash while one of them writes the frames of the batch before; then all compress what is new.
    func processLeaves(
        _ bytes: UnsafeRawBufferPointer, _ positions: [UInt64], kind: TreeKind
    ) throws(StoreError) -> [Digest] {
        let leafSize = TreeShape(kind).leafSize
        let digests = try hash(bytes, leafSize: leafSize)
        var fresh: [Int] = []
        var seen: Set<Digest> = []
        for (index, digest) in digests.enumerated() {
            if contains(digest) || !seen.insert(digest).inserted {
                stored.leavesReused += 1
            } else {
                fresh.append(index)
            }
        }
        stored.leaves += UInt64(digests.count)
        stored.newBytes += UInt64(fresh.count * leafSize)
        if !fresh.isEmpty {
            switch kind {
            case .disk: try storeChunks(bytes, digests, positions, fresh)
            case .memory: try storePages(bytes, digests, fresh)
            }
        }
        return digests
    }

    private func hash(_ bytes: UnsafeRawBufferPointer, leafSize: Int) throws(StoreError) -> [Digest] {
        let count = bytes.count / leafSize
        let writer = try currentWriter()
        writer.handOver()
        var failure: StoreError?
        let digests = [Digest](unsafeUninitializedCapacity: count) { digests, initialized in
            // Unsafe: piece i initializes digests i * count / pieces ..< (i + 1) * count / pieces, which do not overlap; only
            // iteration 0 touches the writer and the failure; nothing runs any more when this returns.
            Parallel.perform(LeafBatch.pieces + 1) { iteration in
                guard iteration > 0 else {
                    do throws(StoreError) { try writer.writeHandedOver() } catch { failure = error }
                    return
                }
                let hasher = SHA256Hasher()
                for index in (iteration - 1) * count / LeafBatch.pieces..<iteration * count / LeafBatch.pieces {
                    let digest = hasher.digest(of: bytes.part(index * leafSize, leafSize))
                    digests.baseAddress.unsafelyUnwrapped.advanced(by: index).initialize(to: digest)
                }
            }
            initialized = count
        }
        if let failure { throw failure }
        return digests
    }

    /// Puts new chunks together that are side by side in the batch and of one aligned block of the disk, so that a read of the block finds
    /// them in one frame.
    private func storeChunks(
        _ bytes: UnsafeRawBufferPointer, _ digests: [Digest], _ positions: [UInt64], _ fresh: [Int]
    ) throws(StoreError) {
        let leafSize = TreeShape(.disk).leafSize
        let perFrame = UInt64(options.chunksPerFrame)
        var groups: [Range<Int>] = []
        for index in fresh {
            if let last = groups.last, last.upperBound == index,
                positions[last.lowerBound] / perFrame == positions[index] / perFrame,
                last.count < options.chunksPerFrame
            {
                groups[groups.count - 1] = last.lowerBound..<index + 1
            } else {
                groups.append(index..<index + 1)
            }
        }
        let frames = groups.map { group in
            FramePlan(
                plain: bytes.part(group.lowerBound * leafSize, group.count * leafSize),
                records: group.map { ObjectRecord(digest: digests[$0], length: leafSize, isIndirect: false) })
        }
        try encode(frames, .chunks)
    }

    /// Puts new pages together, after those left over from before, in frames of 16; keeps what fills none.
    private func storePages(
        _ bytes: UnsafeRawBufferPointer, _ digests: [Digest], _ fresh: [Int]
    ) throws(StoreError) {
        let leafSize = TreeShape(.memory).leafSize
        let perFrame = FrameHeader.usualPlainLength / leafSize
        var plain = pages.plain
        var records = pages.records
        plain.reserveCapacity(plain.count + fresh.count * leafSize)
        for index in fresh {
            plain.append(contentsOf: bytes.part(index * leafSize, leafSize))
            records.append(ObjectRecord(digest: digests[index], length: leafSize, isIndirect: false))
        }
        let frames = records.count / perFrame
        try plain.withBytes { plain throws(StoreError) in
            let plans = (0..<frames).map { index in
                FramePlan(
                    plain: plain.part(index * perFrame * leafSize, perFrame * leafSize),
                    records: Array(records[index * perFrame..<(index + 1) * perFrame]))
            }
            try encode(plans, .pages)
            pages.removeAll()
            for index in frames * perFrame..<records.count {
                pages.append(plain.part(index * leafSize, leafSize), records[index])
                own.open.insert(records[index].digest)
            }
        }
    }

    /// What goes into one frame.
    private struct FramePlan {
        let plain: UnsafeRawBufferPointer
        let records: [ObjectRecord]
    }

    /// Encodes frames on all cores, then adds them to the pack in order.
    private func encode(_ frames: [FramePlan], _ content: FrameContent) throws(StoreError) {
        guard !frames.isEmpty else { return }
        let encoder = encoder
        var total = 0
        let starts = frames.map { frame in
            defer { total += FrameEncoder.bound(plain: frame.plain.count, records: frame.records.count) }
            return total
        }
        let room = encodeBuffer(total)
        // Unsafe: iteration i writes to its own part of the room and to element i only, and nothing runs any more when this returns.
        let sizes = [[Int]](unsafeUninitializedCapacity: frames.count) { sizes, initialized in
            Parallel.perform(frames.count) { index in
                let frame = frames[index]
                let bound = FrameEncoder.bound(plain: frame.plain.count, records: frame.records.count)
                let own = encoder.encodeAll(frame.plain, frame.records, content, into: room.part(starts[index], bound))
                sizes.baseAddress.unsafelyUnwrapped.advanced(by: index).initialize(to: own)
            }
            initialized = frames.count
        }
        for (index, frame) in frames.enumerated() {
            try append(UnsafeRawBufferPointer(room), from: starts[index], sizes[index], frame.records)
        }
    }

    /// Adds frames that lie one after the other: one for all records, or one for each.
    private func append(
        _ bytes: UnsafeRawBufferPointer, from start: Int, _ sizes: [Int], _ records: [ObjectRecord]
    ) throws(StoreError) {
        if sizes.count == 1 { return try append(bytes.part(start, sizes[0]), records) }
        var position = start
        for (size, record) in zip(sizes, records) {
            try append(bytes.part(position, size), [record])
            position += size
        }
    }
}
