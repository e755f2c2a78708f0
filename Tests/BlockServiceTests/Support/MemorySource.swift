import BlockService
import Glibc
import Synchronization

/// A disk in memory; zero blocks of 64 KiB are holes.
final class MemorySource: BlockSource {
    struct Broken: Error {}

    static let block = 65_536

    let bytes: [UInt8]
    private let isBlockZero: [Bool]
    /// Reads that touch this range throw.
    private let broken: Range<UInt64>?
    /// Called before each read, on the thread that reads.
    private let beforeRead: @Sendable (UInt64) -> Void
    private let reads = Mutex(0)

    init(
        _ bytes: [UInt8], broken: Range<UInt64>? = nil, beforeRead: @escaping @Sendable (UInt64) -> Void = { _ in }
    ) {
        self.bytes = bytes
        isBlockZero = Self.zeroBlocks(of: bytes)
        self.broken = broken
        self.beforeRead = beforeRead
    }

    /// Numbered blocks of random bytes between holes, with an odd end.
    static func sparse(blocks: Int = 80, seed: UInt64 = 1) -> MemorySource {
        var random = SeededGenerator(seed: seed)
        let zeros = [UInt8](repeating: 0, count: block)
        var data = random.bytes(block)
        var bytes: [UInt8] = []
        for index in 0..<blocks {
            data.replaceSubrange(100..<108, with: bigEndian(index))
            bytes += index % 5 < 2 ? zeros : data
        }
        return MemorySource(bytes + random.bytes(1024))
    }

    var size: UInt64 { UInt64(bytes.count) }
    /// Reads so far.
    var readCount: Int { reads.withLock { $0 } }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        reads.withLock { $0 += 1 }
        beforeRead(offset)
        if let broken, broken.overlaps(offset..<offset + UInt64(buffer.count)) { throw Broken() }
        copy(from: Int(offset), into: buffer)
    }

    /// Traps when the server asks for bytes outside, which a test must notice.
    ///
    /// Not inlined: Swift 6.3.1 turns a memcpy at the end of a throwing function into a jump that can leave a stray value in the
    /// register of the thrown error.
    @inline(never) private func copy(from start: Int, into buffer: UnsafeMutableRawBufferPointer) {
        bytes.withUnsafeBytes {
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start..<start + buffer.count]))
        }
    }

    func extents(from offset: UInt64, length: UInt64) throws -> [BlockExtent] {
        var extents: [BlockExtent] = []
        var position = Int(offset)
        let end = position + Int(length)
        precondition(end <= bytes.count)
        while position < end {
            let border = min((position / Self.block + 1) * Self.block, end)
            let isZero = isBlockZero[position / Self.block]
            extents.append(BlockExtent(offset: UInt64(position), length: UInt64(border - position), isZero: isZero))
            position = border
        }
        return extents
    }

    private static func zeroBlocks(of bytes: [UInt8]) -> [Bool] {
        bytes.withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count, by: block).map { start in
                let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + block, bytes.count)])
                guard let base = piece.baseAddress, piece.first == 0 else { return false }
                // Each byte equals the one before it.
                return memcmp(base, base + 1, piece.count - 1) == 0
            }
        }
    }
}

/// Whether two disks are alike; memcmp because they have tens of megabytes and the tests may be debug builds.
func isEqual(_ bytes: [UInt8], _ other: [UInt8]) -> Bool {
    guard bytes.count == other.count else { return false }
    return bytes.withUnsafeBytes { one in
        other.withUnsafeBytes { two in
            guard let one = one.baseAddress, let two = two.baseAddress else { return true }
            return memcmp(one, two, bytes.count) == 0
        }
    }
}
