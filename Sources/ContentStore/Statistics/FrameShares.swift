/// How many bytes of packs each object takes, from the indexes alone.
///
/// Frames lie one after the other, so the places of a pack's objects tell where each frame ends; the objects of a frame share it equally,
/// which is exact but for frames of nodes and small blobs. 6 bytes for each frame are in memory, 4 more for each object while it is made.
struct FrameShares: Sendable {
    private struct Frames: Sendable {
        /// Where each frame begins, ascending, and where the last one ends.
        var offsets: [UInt32] = []
        /// How many objects are in each.
        var counts: [UInt16] = []
    }

    private var packs: [Digest: Frames] = [:]
    private let numbers: ObjectNumbers

    /// Shares are counted in these parts of a byte, so that the parts of a frame add up to it.
    static let unit: UInt64 = 1 << 16

    init(_ numbers: ObjectNumbers) {
        self.numbers = numbers
        var sizes: [Digest: UInt64] = [:]
        numbers.forEachEntry { _, pack, entry in
            packs[pack.id, default: Frames()].offsets.append(entry.offset)
            sizes[pack.id] = pack.size
        }
        for id in sizes.keys {
            guard let places = packs[id]?.offsets.sorted() else { continue }
            var frames = Frames()
            for offset in places {
                if let last = frames.counts.indices.last, frames.offsets[last] == offset {
                    if frames.counts[last] < UInt16.max { frames.counts[last] += 1 }
                } else {
                    frames.offsets.append(offset)
                    frames.counts.append(1)
                }
            }
            let tail = UInt64(PackFormat.trailerSize + PackFormat.tableEntrySize * frames.counts.count)
            let end = (sizes[id] ?? 0) > tail ? (sizes[id] ?? 0) - tail : 0
            frames.offsets.append(max(UInt32(clamping: end), frames.offsets.last ?? 0))
            packs[id] = frames
        }
    }

    /// What an object takes, in 65,536ths of a byte; 0 when it is nowhere.
    func share(of number: Int) -> UInt64 {
        guard let place = numbers.place(of: number), let frames = packs[place.pack.id] else { return 0 }
        var low = 0
        var high = frames.counts.count
        while low < high {
            let middle = low + (high - low) / 2
            if frames.offsets[middle] < place.entry.offset { low = middle + 1 } else { high = middle }
        }
        guard low < frames.counts.count, frames.offsets[low] == place.entry.offset else { return 0 }
        let size = UInt64(frames.offsets[low + 1] - frames.offsets[low])
        return size * FrameShares.unit / UInt64(frames.counts[low])
    }
}
