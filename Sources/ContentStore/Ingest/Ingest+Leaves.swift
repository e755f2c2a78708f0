/// The unit in which leaves are hashed and compressed.
enum LeafBatch {
    /// Bytes of a full batch.
    static let size = 8 << 20
    /// How many pieces a batch is cut into, so that several threads have something to do.
    static let pieces = 32
    /// Bytes of the buffers that batches go through: a batch of pages has those before it that filled no frame.
    static let room = size + FrameHeader.usualPlainLength
}

/// Buffers of batches that nobody uses.
struct BatchBuffers {
    private var idle: [ByteBuffer] = []
    /// A batch that is hashed and one that is encoded have one each.
    private static let limit = 2

    /// A buffer of `LeafBatch.room` bytes.
    mutating func take() -> ByteBuffer { idle.popLast() ?? ByteBuffer(count: LeafBatch.room) }

    mutating func giveBack(_ buffer: ByteBuffer) {
        if idle.count < BatchBuffers.limit { idle.append(buffer) }
    }
}

/// Leaves that were hashed and are new, put together for frames that are to be encoded with the next batch.
///
/// They count as objects in frames that are still being collected (`OwnObjects.open`).
struct PendingFrames {
    let content: FrameContent
    let frames: [FramePlan]
    /// Owns the bytes of the plans; nil when they are the caller's, who waits until they are encoded.
    let buffer: ByteBuffer?

    /// What goes into one frame.
    struct FramePlan {
        let plain: UnsafeRawBufferPointer
        let records: [ObjectRecord]

        /// How much room it may need.
        var bound: Int { FrameEncoder.bound(plain: plain.count, records: records.count) }
    }
}

extension Ingest {
    /// Stores leaves that lie one after the other; returns their digests. The caller keeps all other uses of the ingest away.
    ///
    /// What is new among them is compressed while the next are hashed (see `advance`), or when somebody needs it: see `encodePending`.
    ///
    /// - Parameter buffer: owns the bytes, which nobody changes any more; without it the bytes stay as they are until `encodePending`.
    func processLeaves(
        _ bytes: UnsafeRawBufferPointer, _ positions: [UInt64], kind: TreeKind, in buffer: ByteBuffer? = nil
    ) throws(StoreError) -> [Digest] {
        let leafSize = TreeShape(kind).leafSize
        let digests = try advance(hashing: bytes, leafSize: leafSize)
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
        switch kind {
        case .disk: collectChunks(bytes, digests, positions, fresh, buffer)
        case .memory: collectPages(bytes, digests, fresh, buffer)
        }
        return digests
    }

    /// Puts new chunks together that are side by side in the batch and of one aligned block of the disk, so that a read of the block finds
    /// them in one frame.
    private func collectChunks(
        _ bytes: UnsafeRawBufferPointer, _ digests: [Digest], _ positions: [UInt64], _ fresh: [Int],
        _ buffer: ByteBuffer?
    ) {
        let leafSize = TreeShape(.disk).leafSize
        let perFrame = UInt64(options.chunksPerFrame)
        var groups: [Range<Int>] = []
        for index in fresh {
            own.open.insert(digests[index])
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
            PendingFrames.FramePlan(
                plain: bytes.part(group.lowerBound * leafSize, group.count * leafSize),
                records: group.map { ObjectRecord(digest: digests[$0], length: leafSize, isIndirect: false) })
        }
        if frames.isEmpty {
            if let buffer { batchBuffers.giveBack(buffer) }
        } else {
            pending = PendingFrames(content: .chunks, frames: frames, buffer: buffer)
        }
    }

    /// Puts new pages together, after those left over from before, in frames of 16; keeps what fills none.
    private func collectPages(
        _ bytes: UnsafeRawBufferPointer, _ digests: [Digest], _ fresh: [Int], _ buffer: ByteBuffer?
    ) {
        defer { if let buffer { batchBuffers.giveBack(buffer) } }
        guard !fresh.isEmpty else { return }
        let leafSize = TreeShape(.memory).leafSize
        let perFrame = FrameHeader.usualPlainLength / leafSize
        let together = batchBuffers.take()
        var records = pages.records
        pages.plain.withUnsafeBytes { together.bytes.part(0, $0.count).copyMemory(from: $0) }
        for index in fresh {
            together.bytes.part(records.count * leafSize, leafSize).copyMemory(
                from: bytes.part(index * leafSize, leafSize))
            records.append(ObjectRecord(digest: digests[index], length: leafSize, isIndirect: false))
            own.open.insert(digests[index])
        }
        let plain = UnsafeRawBufferPointer(together.bytes)
        let whole = records.count / perFrame * perFrame
        pages.removeAll()
        for index in whole..<records.count { pages.append(plain.part(index * leafSize, leafSize), records[index]) }
        guard whole > 0 else { return batchBuffers.giveBack(together) }
        let frames = stride(from: 0, to: whole, by: perFrame).map { first in
            PendingFrames.FramePlan(
                plain: plain.part(first * leafSize, perFrame * leafSize),
                records: Array(records[first..<first + perFrame]))
        }
        pending = PendingFrames(content: .pages, frames: frames, buffer: together)
    }
}
