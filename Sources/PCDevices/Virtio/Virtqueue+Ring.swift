extension Virtqueue {
    /// Bits of a descriptor (2.6.5) and of the available ring (2.6.6).
    private enum Flag {
        static let next: UInt16 = 1
        static let write: UInt16 = 2
        static let indirect: UInt16 = 4
        static let noInterrupt: UInt16 = 1
    }

    private struct Descriptor {
        var address: UInt64
        var byteCount: UInt32
        var flags: UInt16
        var next: UInt16
    }

    /// Takes the next request; nil when the driver has made no more available.
    mutating func pop<Memory: PhysicalMemory & ~Copyable>(
        from memory: inout Memory
    ) throws(RingError) -> DescriptorChain? {
        guard isReady else { return nil }
        let index = try availableIndex(&memory)
        let waiting = index &- lastAvailable
        guard waiting > 0 else { return nil }
        guard waiting <= size else { throw RingError(reason: "\(waiting) requests in a ring of \(size)") }
        let slot = UInt64(lastAvailable % size)
        guard let head: UInt16 = memory.load(available &+ 4 &+ 2 &* slot) else { throw Self.outside }
        guard head < size else { throw RingError(reason: "descriptor \(head) of \(size)") }
        let chain = try chain(head, from: &memory)
        lastAvailable &+= 1
        return chain
    }

    /// Gives a request back: `written` bytes of its writable buffers were filled.
    mutating func push<Memory: PhysicalMemory & ~Copyable>(
        _ head: UInt16, written: UInt32, to memory: inout Memory
    ) throws(RingError) {
        guard isReady else { return }
        let entry = used &+ 4 &+ 8 &* UInt64(usedIndex % size)
        // The index comes after the entry (2.6.8.2.1); one access of eight bytes is the entry.
        guard memory.store(UInt64(head) | UInt64(written) << 32, at: entry) else { throw Self.outside }
        usedIndex &+= 1
        guard memory.store(usedIndex, at: used &+ 2) else { throw Self.outside }
    }

    /// Tells the driver when to notify next: with the event index, at its next request (2.6.10).
    func requestNotification<Memory: PhysicalMemory & ~Copyable>(
        in memory: inout Memory, features: VirtioFeatures
    ) throws(RingError) {
        guard isReady else { return }
        if features.contains(.eventIndex) {
            let place = used &+ 4 &+ 8 &* UInt64(size)
            guard let event: UInt16 = memory.load(place) else { throw Self.outside }
            // Memory that already says so stays untouched.
            if event != lastAvailable, !memory.store(lastAvailable, at: place) { throw Self.outside }
        } else {
            // Bit 0, VRING_USED_F_NO_NOTIFY: QEMU may have been stopped while it polled the ring.
            guard let flags: UInt16 = memory.load(used) else { throw Self.outside }
            if flags & 1 != 0, !memory.store(flags & ~1, at: used) { throw Self.outside }
        }
    }

    /// Whether what was pushed since the last interrupt deserves one (2.6.7.2), and notes that it was sent.
    mutating func shouldInterrupt<Memory: PhysicalMemory & ~Copyable>(
        _ memory: inout Memory, features: VirtioFeatures
    ) throws(RingError) -> Bool {
        guard isReady else { return false }
        if features.contains(.notifyOnEmpty), try availableIndex(&memory) == lastAvailable, usedIndex == lastAvailable {
            return true
        }
        guard features.contains(.eventIndex) else {
            guard let flags: UInt16 = memory.load(available) else { throw Self.outside }
            return flags & Flag.noInterrupt == 0
        }
        guard let event: UInt16 = memory.load(available &+ 4 &+ 2 &* UInt64(size)) else { throw Self.outside }
        defer { signalledUsed = usedIndex }
        guard let old = signalledUsed else { return true }
        return usedIndex &- event &- 1 < usedIndex &- old
    }

    /// Takes up a ring that another device model has left: only the ring itself says how far it was filled.
    mutating func resume<Memory: PhysicalMemory & ~Copyable>(in memory: inout Memory) throws(RingError) {
        guard isReady else { return }
        guard let index: UInt16 = memory.load(used &+ 2) else { throw Self.outside }
        usedIndex = index
        signalledUsed = nil
        guard lastAvailable &- usedIndex <= size else {
            throw RingError(reason: "\(lastAvailable &- usedIndex) requests in flight in a ring of \(size)")
        }
    }

    private static let outside = RingError(reason: "the ring lies outside of memory")

    private func availableIndex<Memory: PhysicalMemory & ~Copyable>(_ memory: inout Memory) throws(RingError) -> UInt16
    {
        guard let index: UInt16 = memory.load(available &+ 2) else { throw Self.outside }
        return index
    }

    /// Follows a chain: descriptors of the ring, the last of which may name an indirect table with the rest (2.6.5.3).
    private func chain<Memory: PhysicalMemory & ~Copyable>(
        _ head: UInt16, from memory: inout Memory
    ) throws(RingError) -> DescriptorChain {
        var table = descriptors
        var count = UInt32(size)
        var index = UInt32(head)
        var result = DescriptorChain(head: head)
        var isIndirect = false
        /// Descriptors taken from the present table, and in all.
        var steps: UInt32 = 0
        var total: UInt32 = 0
        while true {
            // As many descriptors as the table has and no end: a loop.
            guard steps < count, total < UInt32(Self.maximumSize) else { throw RingError(reason: "a chain in a loop") }
            let item = try descriptor(table, index, &memory)
            if item.flags & Flag.indirect != 0 {
                guard !isIndirect, item.flags & Flag.next == 0, item.byteCount > 0, item.byteCount % 16 == 0 else {
                    throw RingError(reason: "a wrong indirect table of \(item.byteCount) bytes")
                }
                isIndirect = true
                table = item.address
                count = item.byteCount / 16
                index = 0
                steps = 0
                continue
            }
            steps += 1
            total += 1
            let segment = VirtioSegment(address: item.address, byteCount: item.byteCount)
            if item.flags & Flag.write != 0 {
                result.writable.append(segment)
            } else if result.writable.isEmpty {
                result.readable.append(segment)
            } else {
                throw RingError(reason: "a buffer to read behind one to write")
            }
            guard item.flags & Flag.next != 0 else { return result }
            index = UInt32(item.next)
            guard index < count else { throw RingError(reason: "descriptor \(index) of \(count)") }
        }
    }

    private func descriptor<Memory: PhysicalMemory & ~Copyable>(
        _ table: UInt64, _ index: UInt32, _ memory: inout Memory
    ) throws(RingError) -> Descriptor {
        let place = table &+ 16 &* UInt64(index)
        guard let address: UInt64 = memory.load(place), let rest: UInt64 = memory.load(place &+ 8) else {
            throw Self.outside
        }
        return Descriptor(
            address: address, byteCount: UInt32(truncatingIfNeeded: rest),
            flags: UInt16(truncatingIfNeeded: rest >> 32), next: UInt16(truncatingIfNeeded: rest >> 48))
    }
}
