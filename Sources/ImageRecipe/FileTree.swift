/// A tree of files for a guest, by absolute path; all of it belongs to root.
///
/// Directories above an entry need not be inserted, they appear by themselves.
package struct FileTree: Sendable {
    package enum Content: Sendable, Hashable {
        case bytes([UInt8])
        /// A file of the building machine.
        case file(String)
    }

    package enum Entry: Sendable, Hashable {
        case directory(mode: UInt32)
        case file(mode: UInt32, Content)
        case link(target: String)
        case characterDevice(mode: UInt32, major: UInt32, minor: UInt32)
    }

    package private(set) var entries: [String: Entry] = [:]

    package init() {}

    /// Whether `path` is absolute, not the root, and has no empty, `.` or `..` component.
    package static func isValid(_ path: String) -> Bool {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count >= 2, parts[0].isEmpty else { return false }
        return parts.dropFirst().allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." && !$0.contains("\0") }
    }

    /// Puts an entry in place of what may be there; a directory that is there already keeps its content.
    ///
    /// - Throws: `contentRefused` when the path is not valid, or a file stands where a directory is needed.
    package mutating func insert(_ entry: Entry, at path: String) throws(RecipeError) {
        guard Self.isValid(path) else {
            throw RecipeError(.contentRefused, "'\(path)' is not an absolute path without '.' and '..'.")
        }
        for ancestor in Self.ancestors(of: path) {
            switch entries[ancestor] {
            case .directory: continue
            case nil: entries[ancestor] = .directory(mode: 0o755)
            default:
                throw RecipeError(
                    .contentRefused,
                    "'\(path)' cannot be placed: '\(ancestor)' is a file or a link; remove one of the two entries.")
            }
        }
        if case .directory = entries[path] {
            guard case .directory = entry else {
                throw RecipeError(
                    .contentRefused,
                    "'\(path)' is a directory already and cannot become a file; remove one of the two entries.")
            }
        }
        entries[path] = entry
    }

    /// The entries in the order of their paths: each directory before its content.
    package var sorted: [(path: String, entry: Entry)] {
        entries.map { (path: $0.key, entry: $0.value) }.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
    }

    /// The directories above `path`, outermost first, without the root.
    private static func ancestors(of path: String) -> [String] {
        var list: [String] = []
        var current = ""
        for part in path.split(separator: "/").dropLast() {
            current += "/" + part
            list.append(current)
        }
        return list
    }
}
