import Glibc

/// Bytes that a client sent and that were not taken yet.
struct InputBuffer {
    /// Room for the longest option and for more requests than may be in flight.
    static let capacity = 128 << 10

    private let memory: Memory
    private var start = 0
    private var end = 0

    init() { memory = Memory(count: Self.capacity) }

    /// Bytes at hand.
    var count: Int { end - start }

    /// A big-endian number `offset` bytes from the start; nil when it is not complete.
    func integer<Number: FixedWidthInteger & BitwiseCopyable>(at offset: Int = 0, as type: Number.Type) -> Number? {
        guard offset >= 0, offset <= count - MemoryLayout<Number>.size else { return nil }
        return Number(bigEndian: memory.bytes.loadUnaligned(fromByteOffset: start + offset, as: type))
    }

    /// A copy of bytes that are there.
    func bytes(at offset: Int, count length: Int) -> [UInt8] {
        precondition(offset >= 0 && length >= 0 && offset + length <= count)
        return Array(memory.bytes[start + offset..<start + offset + length])
    }

    /// Takes bytes away from the start; at most those that are there.
    mutating func skip(_ length: Int) {
        start += min(max(length, 0), count)
        if start == end { (start, end) = (0, 0) }
    }

    /// Moves bytes from the start to `target`, as many as there are.
    ///
    /// - Returns: How many.
    mutating func take(into target: UnsafeMutableRawBufferPointer) -> Int {
        let length = min(count, target.count)
        copy(length, into: target)
        skip(length)
        return length
    }

    @inline(never) private func copy(_ length: Int, into target: UnsafeMutableRawBufferPointer) {
        target.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory.bytes[start..<start + length]))
    }

    /// Adds what `fill` puts into the free room, of which there is some.
    ///
    /// - Parameter fill: Gets the room and answers how much of it is filled; 0 or less changes nothing.
    /// - Returns: What `fill` answered.
    mutating func fill(_ fill: (UnsafeMutableRawBufferPointer) -> Int) -> Int {
        if start > 0, memory.bytes.count - end < Self.capacity / 2 { compact() }
        let room = UnsafeMutableRawBufferPointer(rebasing: memory.bytes[end...])
        let added = fill(room)
        if added > 0 { end += min(added, room.count) }
        return added
    }

    private mutating func compact() {
        guard let base = memory.bytes.baseAddress else { return }
        memmove(base, base + start, count)
        (start, end) = (0, count)
    }
}
