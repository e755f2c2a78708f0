/// A small cache by file offset that drops the least recently used value.
///
/// Bounded by number and by bytes; at least one value is kept. Eviction scans the (at most `maximumCount`) values.
struct LeastRecentCache<Value: Sendable>: Sendable {
    private struct Slot: Sendable {
        var value: Value
        var bytes: Int
        var lastUse: UInt64
    }

    private let maximumCount: Int
    private let maximumBytes: Int
    private var slots: [UInt64: Slot] = [:]
    private var bytes = 0
    private var clock: UInt64 = 0

    init(maximumCount: Int, maximumBytes: Int) {
        self.maximumCount = maximumCount
        self.maximumBytes = maximumBytes
    }

    /// The value for `key`, marked as used now.
    mutating func value(for key: UInt64) -> Value? {
        guard slots[key] != nil else { return nil }
        clock += 1
        slots[key]?.lastUse = clock
        return slots[key]?.value
    }

    /// Adds or replaces a value.
    mutating func insert(_ value: Value, bytes size: Int, for key: UInt64) {
        clock += 1
        if let old = slots.updateValue(Slot(value: value, bytes: size, lastUse: clock), forKey: key) {
            bytes -= old.bytes
        }
        bytes += size
        while slots.count > 1, slots.count > maximumCount || bytes > maximumBytes,
            let oldest = slots.min(by: { $0.value.lastUse < $1.value.lastUse })
        {
            bytes -= oldest.value.bytes
            slots[oldest.key] = nil
        }
    }
}
