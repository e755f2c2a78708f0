/// Pseudo-random numbers (SplitMix64), so that every run does the same.
struct RandomNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}

/// Chooses pieces of a disk's data, aligned to their size, and gives other pieces as their new content.
package struct DataPieces {
    package static let size: UInt64 = 65536
    private let starts: [UInt64]
    private var numbers: RandomNumbers

    /// - Parameter ranges: where the disk has data.
    package init(_ ranges: [Range<UInt64>], seed: UInt64) {
        starts = ranges.flatMap { range -> [UInt64] in
            let first = (range.lowerBound + Self.size - 1) / Self.size * Self.size
            guard range.upperBound >= Self.size, first <= range.upperBound - Self.size else { return [] }
            return Array(stride(from: first, through: range.upperBound - Self.size, by: Int(Self.size)))
        }
        numbers = RandomNumbers(seed: seed)
    }

    package var count: Int { starts.count }

    /// `count` different pieces in the order of the disk.
    package mutating func choose(_ count: Int) -> [UInt64] {
        Array(starts.shuffled(using: &numbers).prefix(count)).sorted()
    }

    /// Where content for a piece comes from: real data of the disk, shifted by some sectors, so that it is new to a store.
    package mutating func source(limit: UInt64) -> UInt64 {
        let start = starts.randomElement(using: &numbers) ?? 0
        let shifted = start + 512 * UInt64.random(in: 1..<128, using: &numbers)
        return min(shifted, limit - min(limit, Self.size))
    }
}
