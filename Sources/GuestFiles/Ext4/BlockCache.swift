import Synchronization

/// What a file system is read through: its partition, with the blocks that the journal replaced, and the first error kept.
final class BlockCache: Sendable {
    private struct State {
        /// Pieces by number; the one that came first is dropped first.
        var blocks: [UInt64: [UInt8]] = [:]
        var order: [UInt64] = []
        var next = 0
        var replaced: [UInt64: [UInt8]] = [:]
        var replacedSize: UInt64 = 4096
        var failure: (any Error)?
    }

    let partition: any DiskReader
    private let state = Mutex(State())

    /// Bytes of a cached piece, and how many there are at most.
    private static let pieceSize: UInt64 = 65_536
    private static let limit = 256

    init(_ partition: any DiskReader) {
        self.partition = partition
    }

    /// The first error that a read met, which C code in between cannot carry.
    var failure: (any Error)? { state.withLock { $0.failure } }

    /// Lays the blocks of a replayed journal over the partition.
    func replace(_ blocks: [UInt64: [UInt8]], blockSize: UInt64) {
        state.withLock {
            $0.replaced = blocks
            $0.replacedSize = blockSize
        }
    }

    /// Fills the buffer; what lies beyond the end of the partition is an error.
    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) -> Bool {
        let size = partition.size
        guard offset <= size, UInt64(buffer.count) <= size - offset else { return false }
        do {
            var done: UInt64 = 0
            while done < UInt64(buffer.count) {
                let position = offset + done
                let piece = position / Self.pieceSize
                let inside = position % Self.pieceSize
                let count = min(Self.pieceSize - inside, UInt64(buffer.count) - done)
                let bytes = try self.piece(piece)
                guard inside + count <= UInt64(bytes.count) else { return false }
                let target = UnsafeMutableRawBufferPointer(rebasing: buffer[Int(done)..<Int(done + count)])
                target.copyBytes(from: bytes[Int(inside)..<Int(inside + count)])
                done += count
            }
            layReplacedBlocks(over: buffer, at: offset)
            return true
        } catch {
            state.withLock { if $0.failure == nil { $0.failure = error } }
            return false
        }
    }

    private func layReplacedBlocks(over buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) {
        guard !buffer.isEmpty else { return }
        state.withLock { state in
            guard !state.replaced.isEmpty else { return }
            let blockSize = state.replacedSize
            let end = offset + UInt64(buffer.count)
            for block in offset / blockSize...(end - 1) / blockSize {
                guard let bytes = state.replaced[block] else { continue }
                let start = block * blockSize
                let from = max(start, offset)
                let to = min(start + blockSize, end)
                UnsafeMutableRawBufferPointer(rebasing: buffer[Int(from - offset)..<Int(to - offset)])
                    .copyBytes(from: bytes[Int(from - start)..<Int(to - start)])
            }
        }
    }

    private func piece(_ number: UInt64) throws -> [UInt8] {
        if let bytes = state.withLock({ $0.blocks[number] }) { return bytes }
        let start = number * Self.pieceSize
        let count = Int(min(Self.pieceSize, partition.size - start))
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withUnsafeMutableBytes { try partition.read(at: start, into: $0) }
        state.withLock { state in
            guard state.blocks[number] == nil else { return }
            if state.order.count < Self.limit {
                state.order.append(number)
            } else {
                state.blocks[state.order[state.next]] = nil
                state.order[state.next] = number
                state.next = (state.next + 1) % Self.limit
            }
            state.blocks[number] = bytes
        }
        return bytes
    }
}
