/// What the file of a ref says. See <doc:Format#Refs>.
enum RefFile: Hashable, Sendable {
    /// The ref names a commit.
    case commit(Digest)
    /// The ref is that of a group, and names a table.
    case table(Digest)
    /// There is no such ref, whatever the table of its group says.
    case removed

    private var text: String {
        switch self {
        case .commit(let digest): "digest \(digest.hex)"
        case .table(let digest): "table \(digest.hex)"
        case .removed: "removed"
        }
    }

    /// The bytes of the file of a name.
    func sealed(for name: String) -> [UInt8] {
        SealedText.seal(Array(text.utf8), context: Array(name.utf8))
    }

    /// Reads the file of a name; nil when it is damaged.
    init?(_ bytes: [UInt8], of name: String) {
        guard let text = SealedText.open(bytes, context: Array(name.utf8)) else { return nil }
        let line = String(decoding: text, as: UTF8.self)
        if line == "removed" {
            self = .removed
        } else if line.hasPrefix("digest "), let digest = Digest(hex: line.dropFirst(7)) {
            self = .commit(digest)
        } else if line.hasPrefix("table "), let digest = Digest(hex: line.dropFirst(6)), RefGroup.isGroup(name) {
            self = .table(digest)
        } else {
            return nil
        }
    }
}

/// Names of refs that are kept in one table: those with the same first two components, such as all of one VM.
enum RefGroup {
    /// The group of a name, with its second slash: `vms/Debian/` of `vms/Debian/snapshots/clean`; nil for a name that has none.
    static func of(_ name: String) -> String? {
        let bytes = name.utf8
        var slashes = 0
        for index in bytes.indices where bytes[index] == UInt8(ascii: "/") {
            slashes += 1
            if slashes == 2 {
                let end = bytes.index(after: index)
                return end < bytes.endIndex ? String(name[..<end]) : nil
            }
        }
        return nil
    }

    /// Whether a name is that of a group, as the ref of its table is called.
    static func isGroup(_ name: String) -> Bool {
        name.utf8.last == UInt8(ascii: "/") && name.utf8.count(where: { $0 == UInt8(ascii: "/") }) == 2
    }

    /// The name of a ref without its group.
    static func remainder(_ name: String, in group: String) -> [UInt8] { Array(name.utf8.dropFirst(group.utf8.count)) }
}
