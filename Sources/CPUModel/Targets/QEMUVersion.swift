/// A version of QEMU.
package struct QEMUVersion: Sendable, Hashable, Comparable, Codable, CustomStringConvertible {
    /// First part.
    package var major: Int
    /// Second part.
    package var minor: Int
    /// Third part.
    package var micro: Int

    /// Makes a version.
    package init(_ major: Int, _ minor: Int, _ micro: Int = 0) {
        self.major = major
        self.minor = minor
        self.micro = micro
    }

    /// Finds the version in a text such as `7.2.22` or
    /// `QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)`; nil if there is none.
    package init?(text: String) {
        for word in text.split(whereSeparator: { $0 == " " || $0 == "\n" || $0 == "\t" || $0 == "(" || $0 == "," }) {
            let parts = word.split(separator: ".", omittingEmptySubsequences: false).map { part in
                // Releases in the making have suffixes: 9.0.0-rc1.
                Int(part.prefix { $0.isASCII && $0.isNumber })
            }
            guard parts.count >= 2, parts.count <= 3, let major = parts[0], let minor = parts[1], major < 1000
            else { continue }
            self.init(major, minor, parts.count == 3 ? parts[2] ?? 0 : 0)
            return
        }
        return nil
    }

    package var description: String { "\(major).\(minor).\(micro)" }

    package static func < (left: QEMUVersion, right: QEMUVersion) -> Bool {
        (left.major, left.minor, left.micro) < (right.major, right.minor, right.micro)
    }
}
