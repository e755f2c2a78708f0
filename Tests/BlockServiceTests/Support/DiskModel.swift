import BlockService

/// Random changes of a disk, and what they make of it.
struct DiskModel {
    enum Change {
        case write(Int, [UInt8])
        case zero(Range<Int>, isAllocated: Bool)
    }

    private(set) var bytes: [UInt8]
    private var random: SeededGenerator
    /// Bytes that differ from one another in neighbouring writes.
    private let noise: [UInt8]

    init(_ bytes: [UInt8], seed: UInt64) {
        self.bytes = bytes
        random = SeededGenerator(seed: seed)
        noise = random.bytes(1 << 20)
    }

    /// Small and large ones, at sectors, blocks and any byte.
    mutating func nextChange() -> Change {
        let unit = [1, 512, 4096, 65_536].randomElement(using: &random) ?? 1
        let longest = [100, 4096, 70_000, 400_000].randomElement(using: &random) ?? 1
        let start = Int.random(in: 0..<bytes.count, using: &random) / unit * unit
        let count = min(bytes.count - start, max(1, Int.random(in: 0..<longest, using: &random) / unit * unit))
        switch Int.random(in: 0..<8, using: &random) {
        case 0: return .zero(start..<start + count, isAllocated: false)
        case 1: return .zero(start..<start + count, isAllocated: true)
        default:
            let first = Int.random(in: 0..<noise.count - count, using: &random)
            return .write(start, Array(noise[first..<first + count]))
        }
    }

    mutating func apply(_ change: Change) {
        switch change {
        case .write(let start, let data): bytes.replaceSubrange(start..<start + data.count, with: data)
        case .zero(let range, _):
            bytes.replaceSubrange(range, with: [UInt8](repeating: 0, count: range.count))
        }
    }
}

extension DiskModel.Change {
    var range: Range<Int> {
        switch self {
        case .write(let start, let data): start..<start + data.count
        case .zero(let range, _): range
        }
    }

    func apply(to disk: some WritableBlockSource) throws {
        switch self {
        case .write(let start, let data): try disk.write(data, at: UInt64(start))
        case .zero(let range, let isAllocated):
            try disk.zero(at: UInt64(range.lowerBound), length: UInt64(range.count), isAllocated: isAllocated)
        }
    }
}
