import Synchronization

/// Memory of the C heap with one owner, which may return to the pool that it came from.
///
/// `@unchecked Sendable`: it is filled by one thread and handed on to another whole; nobody writes to it once it is shared.
final class Memory: @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer
    private let pool: MemoryPool?

    init(count: Int) {
        bytes = .allocate(byteCount: max(1, count), alignment: 64)
        pool = nil
    }

    fileprivate init(_ bytes: UnsafeMutableRawBufferPointer, of pool: MemoryPool?) {
        self.bytes = bytes
        self.pool = pool
    }

    deinit {
        if let pool { pool.take(bytes) } else { bytes.deallocate() }
    }
}

/// Keeps memory of a few sizes for the next that needs it: large blocks fresh from the system cost a page fault for every 4 KiB.
final class MemoryPool: Sendable {
    /// Room for the headers of a reply around data whose size is a power of two.
    static let margin = 1024
    private static let smallestBits = 12
    private static let largestBits = 22

    private struct State: @unchecked Sendable {
        // Unused memory, owned by nobody else, by the logarithm of its size.
        var blocks = [[UnsafeMutableRawBufferPointer]](
            repeating: [], count: MemoryPool.largestBits - MemoryPool.smallestBits + 1)
        var kept = 0
    }

    private let limit: Int
    private let state = Mutex(State())

    /// - Parameter limit: The most bytes to keep while nobody uses them.
    init(limit: Int) { self.limit = limit }

    deinit {
        state.withLock { state in
            for block in state.blocks.joined() { block.deallocate() }
        }
    }

    /// Memory of at least this size; its contents are arbitrary.
    func memory(count: Int) -> Memory {
        guard let index = Self.index(for: count) else { return Memory(count: count) }
        if let block = state.withLock({ state -> UnsafeMutableRawBufferPointer? in
            guard let block = state.blocks[index].popLast() else { return nil }
            state.kept -= block.count
            return block
        }) {
            return Memory(block, of: self)
        }
        let size = 1 << (Self.smallestBits + index) + Self.margin
        return Memory(.allocate(byteCount: size, alignment: 64), of: self)
    }

    fileprivate func take(_ block: UnsafeMutableRawBufferPointer) {
        let isKept = state.withLock { state in
            guard state.kept + block.count <= limit, let index = Self.index(for: block.count) else { return false }
            state.blocks[index].append(block)
            state.kept += block.count
            return true
        }
        if !isKept { block.deallocate() }
    }

    /// The class of the smallest blocks that hold so many bytes; nil for what is not kept.
    private static func index(for count: Int) -> Int? {
        let data = max(count - margin, 1)
        let bits = max(smallestBits, Int.bitWidth - (data - 1).leadingZeroBitCount)
        return bits <= largestBits ? bits - smallestBits : nil
    }
}
