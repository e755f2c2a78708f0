extension Ingest {
    /// Encodes what waits for the next batch, and adds it to the pack.
    func encodePending() throws(StoreError) {
        guard pending != nil else { return }
        _ = try advance(hashing: UnsafeRawBufferPointer(start: nil, count: 0), leafSize: 1)
    }

    /// One round of all cores: they write the frames of the batch before the last, encode those of the last, and hash a new batch; then
    /// the frames are added to the pack in order. Nothing is pending afterwards. Returns the digests of the leaves.
    ///
    /// The three are independent, so that the cores wait for each other once for each batch; and what is hashed comes last, because
    /// small pieces of equal cost end at about the same time, which frames do not.
    func advance(hashing bytes: UnsafeRawBufferPointer, leafSize: Int) throws(StoreError) -> [Digest] {
        let count = bytes.count / leafSize
        let pieces = min(count, LeafBatch.pieces)
        let writer = try currentWriter()
        writer.handOver()
        let frames = pending?.frames ?? []
        let content = pending?.content ?? .chunks
        let encoder = encoder
        var total = 0
        let starts = frames.map { frame in
            defer { total += frame.bound }
            return total
        }
        let room = encodeBuffer(total)
        var sizes = [[Int]](repeating: [], count: frames.count)
        var failure: StoreError?
        let digests = sizes.withUnsafeMutableBufferPointer { sizes in
            [Digest](unsafeUninitializedCapacity: count) { digests, initialized in
                // Unsafe: only iteration 0 touches the writer and the failure; iteration 1 + i writes to frame i's own part of the room
                // and to element i of the sizes; hashing piece i initializes digests i * count / pieces ..< (i + 1) * count / pieces,
                // which do not overlap; nothing runs any more when this returns.
                Parallel.perform(1 + frames.count + pieces) { iteration in
                    if iteration == 0 {
                        do throws(StoreError) { try writer.writeHandedOver() } catch { failure = error }
                    } else if iteration <= frames.count {
                        let index = iteration - 1
                        let frame = frames[index]
                        sizes[index] = encoder.encodeAll(
                            frame.plain, frame.records, content, into: room.part(starts[index], frame.bound))
                    } else {
                        let piece = iteration - 1 - frames.count
                        let hasher = SHA256Hasher()
                        for index in piece * count / pieces..<(piece + 1) * count / pieces {
                            let digest = hasher.digest(of: bytes.part(index * leafSize, leafSize))
                            digests.baseAddress.unsafelyUnwrapped.advanced(by: index).initialize(to: digest)
                        }
                    }
                }
                initialized = count
            }
        }
        if let failure { throw failure }
        for (index, frame) in frames.enumerated() {
            try append(UnsafeRawBufferPointer(room), from: starts[index], sizes[index], frame.records)
        }
        if let buffer = pending?.buffer { batchBuffers.giveBack(buffer) }
        pending = nil
        return digests
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
