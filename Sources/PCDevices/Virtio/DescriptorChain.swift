/// A range of guest-physical memory that one descriptor names.
package struct VirtioSegment: Sendable, Hashable {
    package var address: UInt64
    package var byteCount: UInt32
}

/// The buffers of one request, in order: those that the device reads, then those that it writes (virtio 1.1, 2.6.5).
package struct DescriptorChain: Sendable, Hashable {
    /// Index of the first descriptor, which names the chain in the used ring.
    package var head: UInt16
    package var readable: [VirtioSegment] = []
    package var writable: [VirtioSegment] = []

    package init(head: UInt16, readable: [VirtioSegment] = [], writable: [VirtioSegment] = []) {
        self.head = head
        self.readable = readable
        self.writable = writable
    }

    /// Bytes that the device may write; no overflow: there are at most 1024 descriptors of less than 4 GiB.
    package var writableByteCount: UInt64 { writable.reduce(0) { $0 + UInt64($1.byteCount) } }
    package var readableByteCount: UInt64 { readable.reduce(0) { $0 + UInt64($1.byteCount) } }
}

extension [VirtioSegment] {
    /// The part of the buffers from `offset` on, at most `byteCount` bytes.
    func slice(_ offset: UInt64, _ byteCount: UInt64 = .max) -> [VirtioSegment] {
        var skip = offset
        var left = byteCount
        var list: [VirtioSegment] = []
        for segment in self where left > 0 {
            let length = UInt64(segment.byteCount)
            if skip >= length {
                skip -= length
                continue
            }
            let taken = Swift.min(length - skip, left)
            list.append(VirtioSegment(address: segment.address &+ skip, byteCount: UInt32(truncatingIfNeeded: taken)))
            left -= taken
            skip = 0
        }
        return list
    }

    /// The first bytes of the buffers, up to `count`; nil when there are less or memory is missing.
    func gather<Memory: PhysicalMemory & ~Copyable>(_ count: Int, from memory: inout Memory) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        for segment in slice(0, UInt64(count)) {
            let length = Int(segment.byteCount)
            let isRead = bytes.withUnsafeMutableBytes {
                memory.read(segment.address, into: UnsafeMutableRawBufferPointer(rebasing: $0[done..<done + length]))
            }
            guard isRead else { return nil }
            done += length
        }
        return done == count ? bytes : nil
    }

    /// Fills the buffers from their start; false when they are too small or memory is missing.
    func scatter<Memory: PhysicalMemory & ~Copyable>(_ bytes: [UInt8], to memory: inout Memory) -> Bool {
        var done = 0
        for segment in slice(0, UInt64(bytes.count)) {
            let length = Int(segment.byteCount)
            let isWritten = bytes.withUnsafeBytes {
                memory.write(segment.address, from: UnsafeRawBufferPointer(rebasing: $0[done..<done + length]))
            }
            guard isWritten else { return false }
            done += length
        }
        return done == bytes.count
    }
}
