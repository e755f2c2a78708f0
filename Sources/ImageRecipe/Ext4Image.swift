import Foundation

/// Makes a raw disk with an ext4 file system, as any user.
package struct Ext4Image: Sendable {
    let scratch: String

    /// - Parameter scratch: a directory for intermediate files.
    package init(scratch: String) {
        self.scratch = scratch
    }

    /// 2000-01-01 00:00:00 UTC: the time of everything in the file system (0 would mean "now" to e2fsprogs).
    private static let time = "946684800"

    /// - Parameters:
    ///   - tree: the content; device nodes cannot be in it.
    ///   - identity: the text that UUID and hash seed are derived from.
    /// - Throws: `contentRefused` when the content does not fit; `toolFailed`.
    package func write(
        _ tree: FileTree, sizeMiB: Int, label: String?, identity: String, to path: String, at place: RecipeError.Place
    ) throws(RecipeError) {
        let stage = scratch + "/disk-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: stage) }
        try Self.stage(tree, in: stage)
        let uuid = Self.uuid(of: identity)
        let environment = ["E2FSPROGS_FAKE_TIME": Self.time]
        var arguments = ["-q", "-F", "-t", "ext4", "-m", "0", "-U", uuid]
        // No lazy initialisation: a guest that mounts the disk writable would otherwise write to it in the background.
        arguments += ["-E", "root_owner=0:0,hash_seed=\(uuid),lazy_itable_init=0,lazy_journal_init=0"]
        if let label { arguments += ["-L", label] }
        try Tool.mke2fs.require(
            arguments + ["-d", stage, path, "\(sizeMiB)M"], environment: environment, scratch: scratch,
            code: .contentRefused,
            "The file system of \(sizeMiB) MiB cannot be made; if the content does not fit, raise 'size'.", at: place)
        try own(tree, in: path, environment: environment)
    }

    /// Gives every inode to root and sets its times and permissions.
    private func own(_ tree: FileTree, in path: String, environment: [String: String]) throws(RecipeError) {
        var script = ""
        for (name, entry) in [("/", .directory(mode: 0o755))] + tree.sorted {
            let quoted = "\"\(name)\""
            for field in ["uid", "gid"] { script += "set_inode_field \(quoted) \(field) 0\n" }
            for field in ["atime", "ctime", "mtime", "crtime"] {
                script += "set_inode_field \(quoted) \(field) @\(Self.time)\n"
            }
            switch entry {
            case .directory(let mode):
                script += "set_inode_field \(quoted) mode 0\(String(0o040000 | mode, radix: 8))\n"
            case .file(let mode, _):
                script += "set_inode_field \(quoted) mode 0\(String(0o100000 | mode, radix: 8))\n"
            default: break
            }
        }
        script += "set_inode_field \"/lost+found\" atime @\(Self.time)\n"
        let file = scratch + "/debugfs-\(UUID().uuidString)"
        do {
            try Data(script.utf8).write(to: URL(fileURLWithPath: file))
        } catch {
            throw RecipeError(
                .cannotWrite, "'\(file)' cannot be written; check the free space.", cause: error.localizedDescription)
        }
        defer { try? FileManager.default.removeItem(atPath: file) }
        let result = try Tool.debugfs.run(["-w", "-f", file, path], environment: environment, scratch: scratch)
        // debugfs exits with 0 whatever happens; apart from its version line, what it says is an error.
        let complaints = result.errors.split(separator: "\n").filter { !$0.hasPrefix("debugfs ") }
        guard result.status == 0, complaints.isEmpty else {
            throw RecipeError(
                .toolFailed, "debugfs cannot set the owners in '\(path)'.",
                cause: complaints.prefix(5).joined(separator: "\n"))
        }
    }

    /// Writes the tree into a directory, for `mke2fs -d`.
    private static func stage(_ tree: FileTree, in directory: String) throws(RecipeError) {
        let files = FileManager.default
        do {
            try files.createDirectory(atPath: directory, withIntermediateDirectories: false)
            for (path, entry) in tree.sorted {
                guard !path.contains("\""), !path.contains("\n") else {
                    throw RecipeError(
                        .contentRefused, "'\(path)' has a quote or a line break in its name; rename the file.")
                }
                let target = directory + path
                switch entry {
                case .directory: try files.createDirectory(atPath: target, withIntermediateDirectories: false)
                case .file(_, .bytes(let bytes)): try Data(bytes).write(to: URL(fileURLWithPath: target))
                case .file(_, .file(let source)):
                    try Data(contentsOf: URL(fileURLWithPath: source), options: .alwaysMapped)
                        .write(to: URL(fileURLWithPath: target))
                case .link(let destination):
                    try files.createSymbolicLink(atPath: target, withDestinationPath: destination)
                case .characterDevice:
                    throw RecipeError(.contentRefused, "'\(path)' is a device, which a disk cannot hold.")
                }
            }
        } catch let error as RecipeError {
            throw error
        } catch {
            throw RecipeError(
                .cannotWrite, "The content of a disk cannot be staged in '\(directory)'; check the free space.",
                cause: error.localizedDescription)
        }
    }

    /// A UUID of version 8 (RFC 9562) from two FNV-1a hashes.
    package static func uuid(of identity: String) -> String {
        func hash(_ seed: UInt64) -> UInt64 {
            identity.utf8.reduce(seed) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
        }
        let high = hash(0xCBF2_9CE4_8422_2325) & ~0xF000 | 0x8000
        let low = hash(0x9AE1_6A3B_2F90_404F) & ~(0xC0 << 56) | 0x80 << 56
        let digits = [high, low].map { word in
            let text = String(word, radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }.joined()
        var uuid = ""
        for (index, digit) in digits.enumerated() {
            if [8, 12, 16, 20].contains(index) { uuid += "-" }
            uuid.append(digit)
        }
        return uuid
    }
}
