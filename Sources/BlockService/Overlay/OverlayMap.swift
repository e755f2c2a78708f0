import ContentStore
import Glibc
import Synchronization

/// Which blocks of the disk a layer has, in memory. See <doc:OverlayFormat>.
///
/// Readers take no lock. Writers are kept apart by the layer.
///
/// `@unchecked Sendable`: the words are atomics in memory that lives as long as this object.
final class OverlayMap: @unchecked Sendable {
    enum State: UInt32 {
        case below = 0
        case data = 1
        case zero = 2
    }

    static let sectorSize = 512
    static let wordsPerSector = 126
    static let chunkBits: UInt64 = 16
    static let blockBits: UInt64 = 12
    static let blocksPerWord = 16

    static func chunkCount(for diskSize: UInt64) -> Int { Int((diskSize + 65_535) >> chunkBits) }
    static func sectorCount(for diskSize: UInt64) -> Int {
        (chunkCount(for: diskSize) + wordsPerSector - 1) / wordsPerSector
    }

    private let words: UnsafeMutablePointer<Atomic<UInt32>>
    private let memory: UnsafeMutableRawPointer
    private let length: Int
    private let count: Int

    /// An empty map. Its memory comes from the system as it is touched.
    init(diskSize: UInt64) throws(BlockServiceError) {
        count = Self.chunkCount(for: diskSize)
        length = max(1, count) * 4
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        guard let memory = mmap(nil, length, PROT_READ | PROT_WRITE, flags, -1, 0), memory != MAP_FAILED else {
            throw .system("getting memory for the map of an overlay")
        }
        self.memory = memory
        // Zero bytes are atomics of value 0.
        words = memory.bindMemory(to: Atomic<UInt32>.self, capacity: max(1, count))
    }

    deinit { munmap(memory, length) }

    /// The states of the blocks of a chunk.
    func word(_ chunk: Int) -> UInt32 {
        precondition(chunk >= 0 && chunk < count)
        return words[chunk].load(ordering: .acquiring)
    }

    func state(ofBlock block: UInt64) -> State {
        let bits = word(Int(block >> 4)) >> UInt32(2 * (block & 15)) & 3
        return State(rawValue: bits) ?? .below
    }

    /// Gives blocks a state.
    ///
    /// - Parameter changed: Called with each sector that changes.
    func set(_ state: State, blocks: Range<UInt64>, changed: (Int) -> Void) {
        var block = blocks.lowerBound
        while block < blocks.upperBound {
            let chunk = Int(block >> 4)
            let end = min(blocks.upperBound, (UInt64(chunk) + 1) << 4)
            let first = UInt32(block & 15)
            let bits = UInt32(end - block) * 2
            let mask: UInt32 = (bits == 32 ? .max : (1 << bits) - 1) << (2 * first)
            let old = word(chunk)
            let new = old & ~mask | (state.rawValue &* 0x5555_5555) & mask
            if new != old {
                words[chunk].store(new, ordering: .releasing)
                changed(chunk / Self.wordsPerSector)
            }
            block = end
        }
    }

    /// Calls `body` with each run of blocks alike within a range of bytes, in order, until it answers false.
    func forEachRun(from start: UInt64, to end: UInt64, _ body: (UInt64, UInt64, State) throws -> Bool) rethrows {
        var runStart = start
        var position = start
        var runState: UInt32?
        while position < end {
            let word = word(Int(position >> Self.chunkBits))
            let first = word >> UInt32(2 * (position >> Self.blockBits & 15)) & 3
            // A chunk whose blocks are all alike is passed at once.
            let isUniform = word == first &* 0x5555_5555
            let bits = isUniform ? Self.chunkBits : Self.blockBits
            if let state = runState, state != first {
                guard try body(runStart, position, State(rawValue: state) ?? .below) else { return }
                runStart = position
            }
            runState = first
            position = min(end, (position >> bits + 1) << bits)
        }
        if let runState { _ = try body(runStart, end, State(rawValue: runState) ?? .below) }
    }

    /// The bytes of a sector, as they are in the file.
    func sector(_ number: Int) -> [UInt8] {
        var body: [UInt8] = []
        body.reserveCapacity(Self.sectorSize)
        body.append(little: UInt32(truncatingIfNeeded: number + 1))
        for slot in 0..<Self.wordsPerSector {
            let chunk = number * Self.wordsPerSector + slot
            body.append(little: chunk < count ? word(chunk) : 0)
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.sectorSize)
        bytes.append(little: CRC32C.checksum(body))
        return bytes + body
    }

    /// Takes a sector of the file.
    ///
    /// - Returns: nil when it is damaged, else whether it says anything.
    func load(sector number: Int, _ bytes: [UInt8]) -> Bool? {
        if bytes.allSatisfy({ $0 == 0 }) { return false }
        guard bytes.count == Self.sectorSize,
            bytes.little(UInt32.self, at: 0) == CRC32C.checksum(Array(bytes[4...])),
            bytes.little(UInt32.self, at: 4) == UInt32(truncatingIfNeeded: number + 1)
        else { return nil }
        for slot in 0..<Self.wordsPerSector {
            let word = bytes.little(UInt32.self, at: 8 + 4 * slot)
            let chunk = number * Self.wordsPerSector + slot
            // State 3 has both bits of a pair.
            guard word & word >> 1 & 0x5555_5555 == 0, chunk < count || word == 0 else { return nil }
            if chunk < count { words[chunk].store(word, ordering: .releasing) }
        }
        return true
    }
}
