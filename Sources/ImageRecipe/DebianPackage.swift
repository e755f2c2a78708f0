/// What the package lists say about one version of a Debian package.
package struct DebianPackage: Sendable, Hashable {
    package let name: String
    package let version: String
    package let architecture: String
    /// Size of the `.deb` file in bytes.
    package let size: Int
    /// SHA-256 of the `.deb` file, in lower-case hexadecimal.
    package let sha256: String
    /// The first alternative of each dependency, without version limits.
    package let depends: [String]

    /// The name that `apt-get download` gives to the file.
    package var fileName: String { "\(name)_\(version.replacing(":", with: "%3a"))_\(architecture).deb" }

    /// Reads the first paragraph of `apt-cache show` (deb822 format).
    ///
    /// - Returns: nil when a field is missing, as in the entry of a package that is installed but in no list.
    package init?(paragraph text: String) {
        var fields: [String: String] = [:]
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.isEmpty { break }
            guard line.first != " ", let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...]
            fields[String(line[..<colon])] = String(value.drop { $0 == " " })
        }
        guard let name = fields["Package"], let version = fields["Version"],
            let architecture = fields["Architecture"], let size = fields["Size"].flatMap({ Int($0) }), size > 0,
            let sha256 = fields["SHA256"], sha256.utf8.count == 64, fields["Filename"] != nil,
            ![name, version, architecture].contains(where: { $0.contains("/") })
        else { return nil }
        self.name = name
        self.version = version
        self.architecture = architecture
        self.size = size
        self.sha256 = sha256.lowercased()
        let all = [fields["Pre-Depends"], fields["Depends"]].compactMap { $0 }
        depends = all.flatMap { $0.split(separator: ",") }.compactMap { item in
            item.split(whereSeparator: { " (|:".contains($0) }).first.map(String.init)
        }
    }
}
