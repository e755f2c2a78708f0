/// A table that forgets what was not used for longest when it becomes too large.
struct LRUCache<Key: Hashable, Value> {
    private struct Slot {
        var key: Key
        var value: Value
        var cost: Int
        /// Neighbours in the order of use; -1 for none.
        var newer: Int
        var older: Int
    }

    private var table: [Key: Int] = [:]
    private var slots: [Slot?] = []
    private var free: [Int] = []
    private var newest = -1
    private var oldest = -1
    private var cost = 0
    private var limit: Int

    /// - Parameter limit: the greatest sum of costs.
    init(limit: Int) {
        self.limit = limit
    }

    var count: Int { table.count }

    /// The value of a key, which becomes the newest.
    mutating func value(for key: Key) -> Value? {
        guard let index = table[key], let slot = slots[index] else { return nil }
        if index != newest {
            detach(index)
            attach(index)
        }
        return slot.value
    }

    /// Adds or replaces a value, and forgets the oldest until the limit holds.
    mutating func insert(_ value: Value, for key: Key, cost: Int) {
        remove(key)
        let slot = Slot(key: key, value: value, cost: cost, newer: -1, older: -1)
        let index: Int
        if let reused = free.popLast() {
            index = reused
            slots[index] = slot
        } else {
            index = slots.count
            slots.append(slot)
        }
        table[key] = index
        self.cost += cost
        attach(index)
        while self.cost > limit, oldest != index, let last = slots[oldest] { remove(last.key) }
    }

    /// Holds another limit from now on, and forgets what is too much for it.
    mutating func setLimit(_ limit: Int) {
        self.limit = limit
        while cost > limit, oldest >= 0, let last = slots[oldest] { remove(last.key) }
    }

    mutating func remove(_ key: Key) {
        guard let index = table.removeValue(forKey: key), let slot = slots[index] else { return }
        detach(index)
        cost -= slot.cost
        slots[index] = nil
        free.append(index)
    }

    private mutating func attach(_ index: Int) {
        slots[index]?.older = newest
        slots[index]?.newer = -1
        if newest >= 0 { slots[newest]?.newer = index }
        newest = index
        if oldest < 0 { oldest = index }
    }

    private mutating func detach(_ index: Int) {
        guard let slot = slots[index] else { return }
        if slot.newer >= 0 { slots[slot.newer]?.older = slot.older } else { newest = slot.older }
        if slot.older >= 0 { slots[slot.older]?.newer = slot.newer } else { oldest = slot.newer }
    }
}
