import Foundation

/// Copying files of the building machine into a tree.
extension FileTree {
    /// Inserts a file, or a directory with all its content.
    ///
    /// - Parameters:
    ///   - path: where it goes; nil for the root of the tree, then `source` is a directory.
    ///   - mode: permissions of a single file; nil for 0755 when it is executable and 0644 when not.
    ///   - isLeftOut: whether a path of the tree is not copied; a directory then goes with its content.
    /// - Throws: `missingSource`; `contentRefused` for sockets, devices and the like.
    package mutating func insert(
        copyOf source: String, at path: String?, mode: UInt32? = nil, where isLeftOut: (String) -> Bool = { _ in false }
    ) throws(RecipeError) {
        let files = FileManager.default
        var isDirectory: ObjCBool = false
        // Follows links: what is named is what is meant.
        guard files.fileExists(atPath: source, isDirectory: &isDirectory) else {
            throw RecipeError(.missingSource, "'\(source)' does not exist.")
        }
        guard isDirectory.boolValue else {
            guard let path else { throw RecipeError(.missingSource, "'\(source)' is not a directory.") }
            let permissions = mode ?? (files.isExecutableFile(atPath: source) ? 0o755 : 0o644)
            return try insert(.file(mode: permissions, .file(source)), at: path)
        }
        guard mode == nil else {
            throw RecipeError(.contentRefused, "'\(source)' is a directory, for which 'mode' cannot be given.")
        }
        if let path { try insert(.directory(mode: 0o755), at: path) }
        guard let all = files.enumerator(atPath: source) else {
            throw RecipeError(.missingSource, "The directory '\(source)' cannot be read.")
        }
        while let name = all.nextObject() as? String {
            let target = (path ?? "") + "/" + name
            if isLeftOut(target) {
                all.skipDescendants()
                continue
            }
            try insert(try Self.entry(source + "/" + name), at: target)
        }
    }

    /// What is at a path of the building machine; links are kept as links.
    private static func entry(_ path: String) throws(RecipeError) -> Entry {
        let files = FileManager.default
        guard let attributes = try? files.attributesOfItem(atPath: path),
            let bits = (attributes[.posixPermissions] as? NSNumber)?.uint32Value
        else { throw RecipeError(.missingSource, "'\(path)' cannot be read.") }
        switch attributes[.type] as? FileAttributeType {
        case FileAttributeType.typeDirectory: return .directory(mode: bits & 0o7777)
        case FileAttributeType.typeRegular: return .file(mode: bits & 0o7777, .file(path))
        case FileAttributeType.typeSymbolicLink:
            guard let target = try? files.destinationOfSymbolicLink(atPath: path) else {
                throw RecipeError(.missingSource, "The link '\(path)' cannot be read.")
            }
            return .link(target: target)
        default:
            throw RecipeError(.contentRefused, "'\(path)' is neither a file nor a directory nor a link.")
        }
    }
}
