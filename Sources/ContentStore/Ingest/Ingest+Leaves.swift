/// The unit in which leaves are hashed and compressed.
enum LeafBatch {
    /// Bytes of a full batch.
    static let size = 2 << 20
    /// How many pieces a batch is cut into, so that several threads have something to do.
    static let pieces = 16
}

extension Ingest {
    /// Stores leaves that lie one after the other; returns their digests.
    ///
    /// All cores hash while one of them writes the frames of the batch before; then all compress what is new.
    ///
    /// - Parameter bytes: a multiple of the leaf size, at most `LeafBatch.size`.
    func storeLeaves(_ bytes: UnsafeRawBufferPointer, kind: TreeKind) throws(StoreError) -> [Digest] {
        try guarded { () throws(StoreError) in
            let leafSize = TreeShape(kind).leafSize
            let digests = try hash(bytes, leafSize: leafSize)
            var fresh: [Int] = []
            var seen: Set<Digest> = []
            for (index, digest) in digests.enumerated() {
                if contains(digest) || !seen.insert(digest).inserted {
                    statistics.leavesReused += 1
                } else {
                    fresh.append(index)
                }
            }
            statistics.leaves += UInt64(digests.count)
            statistics.newBytes += UInt64(fresh.count * leafSize)
            if !fresh.isEmpty {
                switch kind {
                case .disk: try storeChunks(bytes, digests, fresh)
                case .memory: try storePages(bytes, digests, fresh)
                }
            }
            return digests
        }
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

    private func storeChunks(
        _ bytes: UnsafeRawBufferPointer, _ digests: [Digest], _ fresh: [Int]
    ) throws(StoreError) {
        let leafSize = TreeShape(.disk).leafSize
        try encode(count: fresh.count, content: .chunks, plainSize: leafSize, recordsPerFrame: 1) { index in
            let leaf = fresh[index]
            return (
                bytes.part(leaf * leafSize, leafSize),
                [ObjectRecord(digest: digests[leaf], length: leafSize, isIndirect: false)]
            )
        }
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
            try encode(
                count: frames, content: .pages, plainSize: perFrame * leafSize, recordsPerFrame: perFrame
            ) { index in
                (
                    plain.part(index * perFrame * leafSize, perFrame * leafSize),
                    Array(records[index * perFrame..<(index + 1) * perFrame])
                )
            }
            pages.removeAll()
            for index in frames * perFrame..<records.count {
                pages.append(plain.part(index * leafSize, leafSize), records[index])
                own.open.insert(records[index].digest)
            }
        }
    }

    /// Encodes frames on all cores, then adds them to the pack in order.
    private func encode(
        count: Int, content: FrameContent, plainSize: Int, recordsPerFrame: Int,
        _ frame: (Int) -> (plain: UnsafeRawBufferPointer, records: [ObjectRecord])
    ) throws(StoreError) {
        guard count > 0 else { return }
        let encoder = encoder
        let bound = FrameEncoder.bound(plain: plainSize, records: recordsPerFrame)
        let slots = encodeBuffer(count * bound)
        // Unsafe: iteration i writes to slot i and to element i only, and nothing runs any more when this returns.
        let sizes = [Int](unsafeUninitializedCapacity: count) { sizes, initialized in
            Parallel.perform(count) { index in
                let (plain, records) = frame(index)
                let size = encoder.encode(plain, records, content, into: slots.part(index * bound, bound))
                sizes.baseAddress.unsafelyUnwrapped.advanced(by: index).initialize(to: size)
            }
            initialized = count
        }
        for (index, size) in sizes.enumerated() {
            try append(UnsafeRawBufferPointer(slots.part(index * bound, size)), frame(index).records)
        }
    }
}
