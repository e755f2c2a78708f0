/// A virtio entropy source (virtio 1.1, 5.4) whose bytes follow from a seed: the same run reads the same.
package struct VirtioEntropy: Sendable, Hashable {
    private var state: UInt64

    /// Bytes given to one request; a driver has to expect fewer than it asked for.
    private static let maximumByteCount: UInt64 = 1 << 16

    package init(seed: UInt64) { state = seed }

    /// Fills a request's buffers; the result is the number of bytes.
    mutating func execute<Memory: PhysicalMemory & ~Copyable>(
        _ chain: DescriptorChain, memory: inout Memory
    ) throws(Virtqueue.RingError) -> UInt32 {
        let count = Int(min(chain.writableByteCount, Self.maximumByteCount))
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 7)
        while bytes.count < count {
            var value = next()
            for _ in 0..<8 {
                bytes.append(UInt8(truncatingIfNeeded: value))
                value >>= 8
            }
        }
        guard chain.writable.scatter(Array(bytes.prefix(count)), to: &memory) else {
            throw Virtqueue.RingError(reason: "a request outside of memory")
        }
        return UInt32(count)
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    private mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
