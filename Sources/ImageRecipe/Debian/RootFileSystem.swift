@preconcurrency import CExt2FS
import Foundation

/// A root file system: what an archive holds, with files of a recipe placed over it.
package struct RootFileSystem {
    private enum Content {
        case archived(TarArchive.Entry)
        case placed(FileTree.Entry)
    }

    private let archive: TarArchive
    private var entries: [String: Content] = [:]

    package init(_ archive: TarArchive) {
        self.archive = archive
        for (path, entry) in archive.entries { entries[path] = .archived(entry) }
    }

    /// Puts the entries of `tree` in place of what may be there. Symbolic links on the way are followed, so that
    /// `/lib/x` lands in `/usr/lib/x` where Debian has merged the two.
    ///
    /// - Throws: `contentRefused` when a file stands where a directory is needed.
    package mutating func place(_ tree: FileTree) throws(RecipeError) {
        for (path, entry) in tree.sorted {
            if case .directory = entry {
                // Most are there only because something is placed below them.
                let target = try resolve(path, followsLast: true)
                if !isDirectory(target) { entries[target] = .placed(entry) }
                continue
            }
            let target = try resolve(path, followsLast: false)
            guard !isDirectory(target) else {
                throw RecipeError(
                    .contentRefused, "'\(path)' is a directory of the system and cannot become a file or a link.")
            }
            entries[target] = .placed(entry)
        }
    }

    /// Reads a file of the archive whole.
    package func read(_ path: String, limit: Int) throws(RecipeError) -> [UInt8] {
        guard case .archived(let entry)? = entries[path], case .file(let offset, let size) = entry.kind,
            size <= UInt64(limit)
        else { throw RecipeError(.unsuitablePackage, "The system has no file '\(path)'; check its packages.") }
        var reader = try FileReader(path: archive.path, offset: offset, size: size)
        var bytes: [UInt8] = []
        while true {
            let piece = try reader.next()
            if piece.isEmpty { return bytes }
            bytes += piece
        }
    }

    /// Whether the archive has a regular file of this path.
    package func isFile(_ path: String) -> Bool {
        guard case .archived(let entry)? = entries[path], case .file = entry.kind else { return false }
        return true
    }

    private func isDirectory(_ path: String) -> Bool {
        switch entries[path] {
        case .archived(let entry): entry.kind == .directory
        case .placed(.directory): true
        default: path == "/"
        }
    }

    /// The path with symbolic links in its directories replaced, and with the last component's if wanted.
    private func resolve(_ path: String, followsLast: Bool) throws(RecipeError) -> String {
        var parts = path.split(separator: "/").map(String.init)[...]
        var done: [String] = []
        var followed = 0
        while let part = parts.popFirst() {
            if part == "." { continue }
            if part == ".." {
                done.removeLast(min(1, done.count))
                continue
            }
            done.append(part)
            if parts.isEmpty, !followsLast { break }
            let here = "/" + done.joined(separator: "/")
            switch entries[here] {
            case .archived(let entry):
                guard case .symbolicLink(let target) = entry.kind else { break }
                followed += 1
                guard followed <= 40 else {
                    throw RecipeError(.contentRefused, "'\(path)' leads through a loop of symbolic links.")
                }
                done.removeLast()
                if target.hasPrefix("/") { done = [] }
                parts = (target.split(separator: "/").map(String.init) + parts)[...]
            default: break
            }
        }
        return "/" + done.joined(separator: "/")
    }

    /// Writes everything into an empty ext4 file system, in the order of the paths.
    ///
    /// - Parameter time: the time of what a recipe placed, in seconds since 1970.
    package func write(to system: inout Ext4FileSystem, time: Int64) throws(RecipeError) {
        var directories: [String: Ext4FileSystem.Inode] = ["/": Ext4FileSystem.root]
        var inodes: [String: (inode: Ext4FileSystem.Inode, type: Int32)] = [:]
        var links: [(path: String, target: String)] = []
        let paths = entries.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        for (index, path) in paths.enumerated() {
            if index % 1024 == 0, Task.isCancelled { throw RecipeError(.cancelled, "The build was cancelled.") }
            guard let content = entries[path] else { continue }
            if path == "/" {
                if case .archived(let entry) = content { try system.setRoot(Self.attributes(entry)) }
                continue
            }
            let (parentPath, name) = Self.split(path)
            guard let parent = directories[parentPath] else {
                throw RecipeError(.contentRefused, "'\(path)' cannot be placed: '\(parentPath)' is no directory.")
            }
            switch content {
            case .placed(let entry):
                try Self.write(entry, name, path, in: parent, to: &system, time: time, directories: &directories)
            case .archived(let entry):
                let attributes = Self.attributes(entry)
                switch entry.kind {
                case .directory: directories[path] = try system.directory(name, in: parent, attributes)
                case .file(let offset, let size):
                    var reader = try FileReader(path: archive.path, offset: offset, size: size)
                    let inode = try system.file(name, size: size, in: parent, attributes) {
                        () throws(RecipeError) in try reader.next()
                    }
                    inodes[path] = (inode, EXT2_FT_REG_FILE)
                case .symbolicLink(let target):
                    let inode = try system.symbolicLink(name, to: target, in: parent, attributes)
                    inodes[path] = (inode, EXT2_FT_SYMLINK)
                case .hardLink(let target): links.append((path, target))
                case .characterDevice(let major, let minor):
                    _ = try system.node(name, type: S_IFCHR, major: major, minor: minor, in: parent, attributes)
                case .blockDevice(let major, let minor):
                    _ = try system.node(name, type: S_IFBLK, major: major, minor: minor, in: parent, attributes)
                case .pipe: _ = try system.node(name, type: S_IFIFO, in: parent, attributes)
                }
            }
        }
        for (path, target) in links {
            let (parentPath, name) = Self.split(path)
            guard let parent = directories[parentPath], let (inode, type) = inodes[target] else {
                throw RecipeError(.contentRefused, "'\(path)' is a link to '\(target)', which is no file.")
            }
            try system.hardLink(name, to: inode, type: type, in: parent)
        }
    }

    private static func write(
        _ entry: FileTree.Entry, _ name: String, _ path: String, in parent: Ext4FileSystem.Inode,
        to system: inout Ext4FileSystem, time: Int64, directories: inout [String: Ext4FileSystem.Inode]
    ) throws(RecipeError) {
        func attributes(_ mode: UInt32) -> Ext4FileSystem.Attributes {
            Ext4FileSystem.Attributes(mode: UInt16(truncatingIfNeeded: mode & 0o7777), owner: 0, group: 0, time: time)
        }
        switch entry {
        case .directory(let mode): directories[path] = try system.directory(name, in: parent, attributes(mode))
        case .link(let target): _ = try system.symbolicLink(name, to: target, in: parent, attributes(0o777))
        case .characterDevice(let mode, let major, let minor):
            _ = try system.node(name, type: S_IFCHR, major: major, minor: minor, in: parent, attributes(mode))
        case .file(let mode, .bytes(let bytes)):
            var rest = bytes
            _ = try system.file(name, size: UInt64(bytes.count), in: parent, attributes(mode)) {
                () throws(RecipeError) in
                defer { rest = [] }
                return rest
            }
        case .file(let mode, .file(let source)):
            let size = (try? FileManager.default.attributesOfItem(atPath: source)[.size] as? NSNumber)?.uint64Value
            guard let size else { throw RecipeError(.missingSource, "'\(source)' cannot be read.") }
            var reader = try FileReader(path: source, offset: 0, size: size)
            _ = try system.file(name, size: size, in: parent, attributes(mode)) {
                () throws(RecipeError) in try reader.next()
            }
        }
    }

    private static func attributes(_ entry: TarArchive.Entry) -> Ext4FileSystem.Attributes {
        Ext4FileSystem.Attributes(
            mode: entry.mode, owner: entry.owner, group: entry.group, time: entry.modified, extended: entry.attributes)
    }

    private static func split(_ path: String) -> (parent: String, name: String) {
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        let parent = String(path[..<slash])
        return (parent.isEmpty ? "/" : parent, String(path[path.index(after: slash)...]))
    }
}

/// Reads a part of a file, piece by piece.
private struct FileReader {
    private let path: String
    private let handle: FileHandle
    private var left: UInt64

    init(path: String, offset: UInt64, size: UInt64) throws(RecipeError) {
        self.path = path
        left = size
        do {
            handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            try handle.seek(toOffset: offset)
        } catch {
            throw RecipeError(.missingSource, "'\(path)' cannot be read.", cause: error.localizedDescription)
        }
    }

    /// The next piece; empty at the end.
    mutating func next() throws(RecipeError) -> [UInt8] {
        if left == 0 { return [] }
        let data = try? handle.read(upToCount: Int(min(left, 4 << 20)))
        guard let data, !data.isEmpty else {
            throw RecipeError(.missingSource, "'\(path)' ends early; was it changed during the build?")
        }
        left -= UInt64(data.count)
        return [UInt8](data)
    }
}
