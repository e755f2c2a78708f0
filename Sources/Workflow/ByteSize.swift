import Lineage

/// A size as people write it: `20G`, `512M`, `1.5T`, `4096`. Units are powers of 1024, as in QEMU.
package struct ByteSize: Sendable, Hashable {
    package let bytes: UInt64

    package init(bytes: UInt64) { self.bytes = bytes }

    /// Parses digits with a unit of `K`, `M`, `G`, `T` or `P` (also `KiB` or `KB`); none means bytes. A fraction needs a unit.
    package init?(parsing text: String) {
        let lower = text.lowercased()
        var number = Substring(lower)
        for suffix in ["ib", "b"] where number.hasSuffix(suffix) {
            number = number.dropLast(suffix.count)
            break
        }
        var shift: UInt64 = 0
        if let unit = number.last, let position = "kmgtp".firstIndex(of: unit) {
            shift = 10 * UInt64("kmgtp".distance(from: "kmgtp".startIndex, to: position) + 1)
            number = number.dropLast()
        } else if lower.hasSuffix("ib") {
            return nil
        }
        let parts = number.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy(\.isASCIIDigit) }),
            let whole = UInt64(parts[0]), whole <= UInt64.max >> shift
        else { return nil }
        var bytes = whole << shift
        if parts.count == 2 {
            guard shift > 0, parts[1].count <= 6, let digits = UInt64(parts[1]) else { return nil }
            let scale = (0..<parts[1].count).reduce(UInt64(1)) { value, _ in value * 10 }
            // Six digits and 2^50 stay below 2^70: multiply in two steps.
            let (high, low) = digits.multipliedFullWidth(by: 1 << shift)
            let sum = bytes.addingReportingOverflow(scale.dividingFullWidth((high, low)).quotient)
            guard !sum.overflow else { return nil }
            bytes = sum.partialValue
        }
        self.bytes = bytes
    }
}

extension Character {
    fileprivate var isASCIIDigit: Bool { isASCII && isNumber }
}
