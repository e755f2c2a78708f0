/// Chunks of a disk in memory, of bounded number: the clock algorithm, which forgets what was not read since its hand came by last.
struct ChunkTable {
    enum Content {
        /// Somebody reads it; others wait.
        case loading
        case zero
        case bytes(Memory)
    }

    private struct Slot {
        var chunk: UInt64
        var content: Content
        var isUsed: Bool
        /// Nobody has asked for it yet: it was read ahead.
        var isAhead: Bool
    }

    private var slots: [Slot?] = []
    private var free: [Int] = []
    private var index: [UInt64: Int] = [:]
    private var hand = 0
    private let limit: Int

    /// - Parameter limit: The most chunks; those that are being read may be more.
    init(limit: Int) { self.limit = max(1, limit) }

    var count: Int { index.count }

    func contains(_ chunk: UInt64) -> Bool { index[chunk] != nil }

    /// The content of a chunk, which counts as used, and whether it was read ahead and is used for the first time.
    mutating func use(_ chunk: UInt64) -> (content: Content, isAhead: Bool)? {
        guard let position = index[chunk], var slot = slots[position] else { return nil }
        let isAhead = slot.isAhead
        if isAhead || !slot.isUsed {
            slot.isUsed = true
            slot.isAhead = false
            slots[position] = slot
        }
        return (slot.content, isAhead)
    }

    /// Adds a chunk that is to be read now.
    mutating func begin(_ chunk: UInt64, isAhead: Bool) {
        if index.count >= limit { evict() }
        let slot = Slot(chunk: chunk, content: .loading, isUsed: true, isAhead: isAhead)
        let position: Int
        if let reused = free.popLast() {
            position = reused
            slots[position] = slot
        } else {
            position = slots.count
            slots.append(slot)
        }
        index[chunk] = position
    }

    /// Sets what was read; nil when that failed.
    mutating func finish(_ chunk: UInt64, _ content: Content?) {
        guard let position = index[chunk] else { return }
        if let content {
            slots[position]?.content = content
        } else {
            remove(position)
        }
    }

    private mutating func remove(_ position: Int) {
        guard let slot = slots[position] else { return }
        index[slot.chunk] = nil
        slots[position] = nil
        free.append(position)
    }

    private mutating func evict() {
        // Two rounds: the first may only take the marks away.
        for _ in 0..<2 * slots.count {
            hand = (hand + 1) % slots.count
            guard let slot = slots[hand] else { continue }
            if case .loading = slot.content { continue }
            if slot.isUsed {
                slots[hand]?.isUsed = false
            } else {
                remove(hand)
                return
            }
        }
    }
}

/// Remembers, roughly and in little memory, which chunks were asked for and not kept.
struct MissMemory {
    private var chunks = [UInt64](repeating: .max, count: 1024)

    /// Whether a chunk was asked for before, and not too long ago.
    mutating func isSecond(_ chunk: UInt64) -> Bool {
        let slot = Int(chunk % UInt64(chunks.count))
        if chunks[slot] == chunk { return true }
        chunks[slot] = chunk
        return false
    }
}
