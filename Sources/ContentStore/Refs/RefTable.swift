/// Many refs of one group in one immutable file, whose name is the digest of its bytes. See <doc:Format#Tables-of-refs>.
///
/// A clone names the table of its origin, however many names are in it.
struct RefTable: Sendable {
    struct Entry: Hashable, Sendable {
        /// Without the group.
        var name: [UInt8]
        var commit: Digest
    }

    /// Sorted by the bytes of the names, each of them once.
    let entries: [Entry]

    /// - Parameter commits: by names without their group.
    init(_ commits: [[UInt8]: Digest]) {
        entries = commits.map { Entry(name: $0.key, commit: $0.value) }.sorted {
            $0.name.lexicographicallyPrecedes($1.name)
        }
    }

    /// Reads the bytes of a table; nil when they are not what ``bytes`` writes.
    init?(parsing bytes: [UInt8]) {
        var entries: [Entry] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
            let line = rest[..<end]
            rest = rest[(end + 1)...]
            guard line.count > Self.prefixBytes, line[line.startIndex + 64] == UInt8(ascii: " "),
                let commit = Digest(hexadecimal: line.prefix(64))
            else { return nil }
            let name = Array(line.dropFirst(Self.prefixBytes))
            if let last = entries.last, !last.name.lexicographicallyPrecedes(name) { return nil }
            entries.append(Entry(name: name, commit: commit))
        }
        self.entries = entries
    }

    /// One line for each ref: digest, space, name without the group.
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        for entry in entries {
            bytes += entry.commit.hex.utf8
            bytes.append(UInt8(ascii: " "))
            bytes += entry.name
            bytes.append(UInt8(ascii: "\n"))
        }
        return bytes
    }

    /// A digest of 64 digits and a space.
    private static let prefixBytes = 65

    /// The largest table that is read or written.
    static let limit = SealedText.limit

    /// The commit of a name without its group.
    subscript(name: [UInt8]) -> Digest? {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].name.lexicographicallyPrecedes(name) { low = middle + 1 } else { high = middle }
        }
        return low < entries.count && entries[low].name == name ? entries[low].commit : nil
    }
}
