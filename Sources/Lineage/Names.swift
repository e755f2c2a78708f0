import ContentStore

/// The name of a VM, a snapshot or an experiment.
///
/// Starts with a letter or a digit, goes on with letters, digits, `.`, `_` and `-`; 64 characters at most. This makes
/// every name safe as a file name and as a part of a ref.
package struct Name: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let text: String

    /// Checks `text` against the rule above; `role` ("VM", "snapshot", "experiment") is for the error.
    package init(_ text: String, role: String = "name") throws(LineageError) {
        let bytes = Array(text.utf8)
        guard let first = bytes.first, bytes.count <= 64, Self.isLetterOrDigit(first),
            bytes.allSatisfy({ Self.isLetterOrDigit($0) || $0 == 0x2E || $0 == 0x5F || $0 == 0x2D })
        else {
            throw LineageError(
                .badName,
                "'\(text)' cannot be the name of a \(role): use letters, digits, '.', '_' and '-', "
                    + "starting with a letter or a digit, 64 characters at most.")
        }
        self.text = text
    }

    package var description: String { text }

    package static func < (a: Name, b: Name) -> Bool { a.text < b.text }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }
}

/// What a user names on the command line: a VM, or one of its snapshots as `VM:SNAPSHOT`.
package struct Reference: Hashable, Sendable, CustomStringConvertible {
    package let vm: Name
    package let snapshot: Name?

    package init(vm: Name, snapshot: Name? = nil) {
        self.vm = vm
        self.snapshot = snapshot
    }

    /// Parses `VM` or `VM:SNAPSHOT`.
    package init(parsing text: String) throws(LineageError) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        vm = try Name(String(parts.first ?? ""), role: "VM")
        snapshot = parts.count == 2 ? try Name(String(parts[1]), role: "snapshot") : nil
    }

    package var description: String {
        if let snapshot { "\(vm):\(snapshot)" } else { vm.text }
    }
}

extension Reference: Encodable {
    /// As a user writes it.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
