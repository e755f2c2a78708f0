import Glibc

/// Where everything is in a store's directory.
struct StoreLayout: Sendable {
    let root: String
    /// The permissions of directories that are made: private, unless the store was opened to others by whoever it belongs to.
    var directoryMode: UInt32 = 0o700

    /// The permissions of files that are made.
    var fileMode: UInt32 { directoryMode & 0o666 }

    var format: String { "\(root)/format" }
    var packs: String { "\(root)/packs" }
    var indexes: String { "\(root)/indexes" }
    var refs: String { "\(root)/refs" }
    var tables: String { "\(root)/tables" }
    var operations: String { "\(root)/operations" }
    var leases: String { "\(root)/leases" }
    var temporary: String { "\(root)/tmp" }
    var locks: String { "\(root)/locks" }
    var refsLock: String { "\(root)/locks/refs" }
    var indexesLock: String { "\(root)/locks/indexes" }
    var collectorLock: String { "\(root)/locks/collector" }
    var trash: String { "\(root)/trash" }
    var epoch: String { "\(root)/trash/epoch" }

    /// The directory that the store's own name is in.
    var parent: String {
        let name = root.reversed().drop { $0 == "/" }
        let parent = String(name.drop { $0 != "/" }.drop { $0 == "/" }.reversed())
        return parent.isEmpty ? (root.hasPrefix("/") ? "/" : ".") : parent
    }

    /// Made when something is first put there.
    var quarantine: String { "\(root)/quarantine" }

    var directories: [String] { [packs, indexes, refs, operations, leases, temporary, locks, trash] }

    func pack(_ id: Digest) -> String { "\(packs)/\(id.hex).pack" }
    func index(_ id: Digest) -> String { "\(indexes)/\(id.hex).index" }
    func ref(_ fileName: String) -> String { "\(refs)/\(fileName)" }
    func table(_ digest: Digest) -> String { "\(tables)/\(digest.hex)" }
    func temporary(_ name: String) -> String { "\(temporary)/\(name)" }

    static let packSuffix = ".pack"
    static let indexSuffix = ".index"

    /// The digest in the name of a pack or index; nil for any other file.
    static func digest(inName name: String, suffix: String) -> Digest? {
        let name = name.utf8
        guard name.count == 64 + suffix.utf8.count, name.dropFirst(64).elementsEqual(suffix.utf8) else { return nil }
        let digits = name.prefix(64)
        // A name has digits in lower case only.
        guard digits.allSatisfy({ $0 < UInt8(ascii: "A") || $0 > UInt8(ascii: "F") }) else { return nil }
        return Digest(hexadecimal: digits)
    }

    /// Whether a name is one that ``uniqueName()`` may have made.
    static func isUniqueName(_ name: some StringProtocol) -> Bool {
        name.utf8.count == 32 && name.utf8.allSatisfy(hexadecimalDigits.contains)
    }

    private static let hexadecimalDigits = Array("0123456789abcdef".utf8)

    /// 32 hexadecimal digits that nobody else has.
    static func uniqueName() -> String {
        var generator = SystemRandomNumberGenerator()
        // Each number is a system call.
        let numbers = [generator.next(), generator.next()]
        let characters = (0..<32).map { (index: Int) -> UInt8 in
            hexadecimalDigits[Int(truncatingIfNeeded: numbers[index / 16] >> (index % 16 * 4)) & 15]
        }
        return String(decoding: characters, as: UTF8.self)
    }
}
