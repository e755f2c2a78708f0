/// Interned sets of symbolic bytes, each a sorted list of disjoint, non-adjacent closed intervals.
///
/// Inputs are buffers, so the bytes that a value depends on are mostly runs: a checksum over the first n bytes is one
/// interval for every n. Set 0 is empty. Equal sets have equal numbers, so slicing compares numbers first.
struct DependencySets {
    /// Interval bounds of all sets, `lower, upper` in turn.
    private var bounds: [UInt32] = []
    /// Where each set begins in `bounds`; one more entry at the end.
    private var starts: [Int] = [0, 0]
    private var interned: [[UInt32]: UInt32] = [:]
    private var unions: [UInt64: UInt32] = [:]

    /// The set of one byte.
    mutating func singleton(_ byte: UInt32) -> UInt32 { intern([byte, byte]) }

    /// The set of the bytes of a closed range.
    mutating func range(_ lower: UInt32, _ upper: UInt32) -> UInt32 { intern([lower, upper]) }

    /// The union of two sets.
    mutating func union(_ a: UInt32, _ b: UInt32) -> UInt32 {
        if a == b || b == 0 { return a }
        if a == 0 { return b }
        let key = a < b ? UInt64(a) << 32 | UInt64(b) : UInt64(b) << 32 | UInt64(a)
        if let known = unions[key] { return known }
        let result = intern(merged(a, b))
        unions[key] = result
        return result
    }

    /// Whether two sets share a byte.
    func intersects(_ a: UInt32, _ b: UInt32) -> Bool {
        if a == 0 || b == 0 { return false }
        if a == b { return true }
        var i = starts[Int(a)]
        var j = starts[Int(b)]
        let iEnd = starts[Int(a) + 1]
        let jEnd = starts[Int(b) + 1]
        while i < iEnd && j < jEnd {
            if bounds[i + 1] < bounds[j] {
                i += 2
            } else if bounds[j + 1] < bounds[i] {
                j += 2
            } else {
                return true
            }
        }
        return false
    }

    /// The intervals of a set, in ascending order.
    func intervals(_ set: UInt32) -> [ClosedRange<UInt32>] {
        stride(from: starts[Int(set)], to: starts[Int(set) + 1], by: 2).map { bounds[$0]...bounds[$0 + 1] }
    }

    /// Calls `body` with every byte of the set, in ascending order.
    func forEachByte(_ set: UInt32, _ body: (UInt32) -> Void) {
        var i = starts[Int(set)]
        let end = starts[Int(set) + 1]
        while i < end {
            var byte = bounds[i]
            let last = bounds[i + 1]
            while byte <= last {
                body(byte)
                byte += 1
            }
            i += 2
        }
    }

    /// The only byte of the set, if it has one byte.
    func onlyByte(_ set: UInt32) -> UInt32? {
        let start = starts[Int(set)]
        guard starts[Int(set) + 1] == start + 2, bounds[start] == bounds[start + 1] else { return nil }
        return bounds[start]
    }

    private func merged(_ a: UInt32, _ b: UInt32) -> [UInt32] {
        var result: [UInt32] = []
        var i = starts[Int(a)]
        var j = starts[Int(b)]
        let iEnd = starts[Int(a) + 1]
        let jEnd = starts[Int(b) + 1]
        while i < iEnd || j < jEnd {
            let takeA = j >= jEnd || (i < iEnd && bounds[i] <= bounds[j])
            let lower = takeA ? bounds[i] : bounds[j]
            let upper = takeA ? bounds[i + 1] : bounds[j + 1]
            if takeA { i += 2 } else { j += 2 }
            if let last = result.last, UInt64(lower) <= UInt64(last) + 1 {
                result[result.count - 1] = max(last, upper)
            } else {
                result.append(lower)
                result.append(upper)
            }
        }
        return result
    }

    private mutating func intern(_ list: [UInt32]) -> UInt32 {
        if let known = interned[list] { return known }
        let number = UInt32(starts.count - 1)
        bounds.append(contentsOf: list)
        starts.append(bounds.count)
        interned[list] = number
        return number
    }
}
