/// Looks for a text in bytes that come in parts; the text may straddle parts.
package struct StreamSearch: Sendable {
    private let needle: [UInt8]
    /// The Knuth-Morris-Pratt table: for each prefix, the longest proper prefix that is also its suffix.
    private let fallback: [Int]
    private var matched = 0

    /// - Parameter text: what to look for; an empty text is found at once.
    package init(_ text: String) {
        let needle = Array(text.utf8)
        var fallback = Array(repeating: 0, count: needle.count)
        var length = 0
        for index in needle.indices.dropFirst() {
            while length > 0, needle[index] != needle[length] { length = fallback[length - 1] }
            if needle[index] == needle[length] { length += 1 }
            fallback[index] = length
        }
        self.needle = needle
        self.fallback = fallback
    }

    /// Takes the next part; the number of its bytes up to the end of the first match, or `nil` without a match.
    package mutating func feed(_ part: some Sequence<UInt8>) -> Int? {
        if needle.isEmpty { return 0 }
        var count = 0
        for byte in part {
            count += 1
            while matched > 0, byte != needle[matched] { matched = fallback[matched - 1] }
            if byte == needle[matched] { matched += 1 }
            if matched == needle.count {
                matched = 0
                return count
            }
        }
        return nil
    }
}
