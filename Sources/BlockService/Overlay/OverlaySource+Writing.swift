import Glibc

extension OverlaySource {
    private static let block = UInt64(OverlayHeader.blockSize)

    package func write(at offset: UInt64, from bytes: UnsafeRawBufferPointer) throws {
        try checkRange(offset, UInt64(bytes.count))
        if !bytes.isEmpty { try write(offset..<offset + UInt64(bytes.count), bytes) }
    }

    /// Makes a range zero, and frees its space unless it is to be kept.
    package func zero(at offset: UInt64, length: UInt64, isAllocated: Bool) throws {
        try checkRange(offset, length)
        guard length > 0 else { return }
        let end = offset + length
        // The parts of blocks at both ends are written; what is between has no bytes to be written.
        let first = min(roundUp(offset), end)
        let last = end == size ? end : max(first, end & ~(Self.block - 1))
        if offset < first { try writeZeros(offset..<first) }
        if first < last { try zeroBlocks(first..<last, isAllocated: isAllocated) }
        if last < end { try writeZeros(last..<end) }
    }

    private func roundUp(_ offset: UInt64) -> UInt64 { (offset + Self.block - 1) & ~(Self.block - 1) }

    /// Less than a block of zeros.
    private func writeZeros(_ range: Range<UInt64>) throws {
        let memory = Memory(count: OverlayHeader.blockSize)
        memory.bytes.clear()
        try write(range, UnsafeRawBufferPointer(rebasing: memory.bytes[..<Int(range.upperBound - range.lowerBound)]))
    }

    private func zeroBlocks(_ range: Range<UInt64>, isAllocated: Bool) throws {
        let blocks = range.lowerBound / Self.block..<roundUp(range.upperBound) / Self.block
        try writing.withLock { _ in
            guard let layer = try stack().layers.last else { return }
            try layer.checkHealth()
            let offset = layer.header.dataOffset + range.lowerBound
            let length = range.upperBound - range.lowerBound
            if isAllocated, try layer.file.zero(at: offset, length: length) {
                layer.mark(.data, blocks)
            } else {
                // Where zeros cannot be allocated, they are at least zeros.
                try layer.file.punch(at: offset, length: length)
                layer.mark(.zero, blocks)
            }
        }
    }

    /// Writes bytes, with the rest of the blocks at both ends where the layer lacks them.
    private func write(_ range: Range<UInt64>, _ bytes: UnsafeRawBufferPointer) throws {
        var ends = BlockEnds(range, size: size)
        while true {
            let stack = try stack()
            // Read before the lock, because the base may have to decode it.
            try ends.fill(from: stack)
            let isDone = try writing.withLock { _ in
                guard try self.stack() === stack, ends.isValid(in: stack), let layer = stack.layers.last else {
                    return false
                }
                try layer.checkHealth()
                try ends.withPieces(around: bytes) { pieces, start throws(BlockServiceError) in
                    try layer.write(
                        pieces, at: start,
                        blocks: range.lowerBound / Self.block..<roundUp(range.upperBound) / Self.block)
                }
                return true
            }
            if isDone { return }
        }
    }
}

/// What has to be written before and after some bytes so that whole blocks are.
private struct BlockEnds {
    /// A part of a block that the write leaves out.
    private struct End {
        let block: UInt64
        let range: Range<UInt64>
        /// The state of the block when `bytes` were taken.
        var state = OverlayMap.State.data
        /// The bytes; empty when the layer has the block.
        var bytes: [UInt8] = []
    }

    private let range: Range<UInt64>
    private var head: End?
    private var tail: End?

    init(_ range: Range<UInt64>, size: UInt64) {
        let block = UInt64(OverlayHeader.blockSize)
        self.range = range
        let start = range.lowerBound & ~(block - 1)
        if start < range.lowerBound { head = End(block: start / block, range: start..<range.lowerBound) }
        let end = min(size, (range.upperBound + block - 1) & ~(block - 1))
        if range.upperBound < end {
            tail = End(block: (range.upperBound - 1) / block, range: range.upperBound..<end)
        }
    }

    /// Reads what the uppermost layer lacks.
    mutating func fill(from stack: OverlaySource.Stack) throws {
        try Self.fill(&head, stack)
        try Self.fill(&tail, stack)
    }

    private static func fill(_ end: inout End?, _ stack: OverlaySource.Stack) throws {
        guard var found = end, let layer = stack.layers.last else { return }
        found.state = layer.map.state(ofBlock: found.block)
        found.bytes = []
        if found.state != .data {
            found.bytes = [UInt8](repeating: 0, count: Int(found.range.upperBound - found.range.lowerBound))
        }
        if found.state == .below {
            try found.bytes.withUnsafeMutableBytes {
                try stack.read(at: found.range.lowerBound, into: $0, layers: stack.layers.count - 1)
            }
        }
        end = found
    }

    /// Whether the blocks still are what was read. Blocks that became data in the meantime are not.
    func isValid(in stack: OverlaySource.Stack) -> Bool {
        guard let layer = stack.layers.last else { return false }
        return [head, tail].allSatisfy { end in end.map { layer.map.state(ofBlock: $0.block) == $0.state } ?? true }
    }

    /// The bytes with their ends, and where they begin.
    func withPieces(
        around bytes: UnsafeRawBufferPointer,
        _ body: ([UnsafeRawBufferPointer], UInt64) throws(BlockServiceError) -> Void
    ) throws {
        try (head?.bytes ?? []).withUnsafeBytes { head in
            try (tail?.bytes ?? []).withUnsafeBytes { tail in
                try body([head, bytes, tail], range.lowerBound - UInt64(head.count))
            }
        }
    }
}
