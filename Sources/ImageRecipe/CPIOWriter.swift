import Foundation

/// Writes a file tree as a cpio archive of the `newc` format, for the Linux kernel to unpack.
///
/// Layout and choices are described in <doc:ImageRecipe>. The archive depends on nothing but the tree.
package struct CPIOWriter {
    private let handle: FileHandle
    private var buffer: [UInt8] = []
    private var written = 0
    private var inode: UInt32 = 0

    /// Writes `tree` to a new file at `path`.
    ///
    /// - Throws: `cannotWrite`; `missingSource` when a file of the tree cannot be read; `contentRefused` when one has
    ///   4 GiB or more, which the format cannot express.
    package static func write(_ tree: FileTree, to path: String) throws(RecipeError) {
        do {
            try Data().write(to: URL(fileURLWithPath: path))
            var writer = CPIOWriter(handle: try FileHandle(forWritingTo: URL(fileURLWithPath: path)))
            for (name, entry) in tree.sorted { try writer.append(entry, at: name) }
            try writer.finish()
        } catch let error as RecipeError {
            throw error
        } catch {
            throw RecipeError(
                .cannotWrite, "The archive '\(path)' cannot be written; check the free space.",
                cause: error.localizedDescription)
        }
    }

    private init(handle: FileHandle) {
        self.handle = handle
    }

    private mutating func append(_ entry: FileTree.Entry, at path: String) throws {
        // Names in the archive are relative to the root.
        let name = String(path.dropFirst())
        switch entry {
        case .directory(let mode): try member(name, mode: 0o040000 | mode, links: 2, data: [])
        case .link(let target): try member(name, mode: 0o120777, data: Array(target.utf8))
        case .characterDevice(let mode, let major, let minor):
            try member(name, mode: 0o020000 | mode, major: major, minor: minor, data: [])
        case .file(let mode, .bytes(let bytes)): try member(name, mode: 0o100000 | mode, data: bytes)
        case .file(let mode, .file(let source)):
            let data: Data
            do {
                data = try Data(contentsOf: URL(fileURLWithPath: source), options: .alwaysMapped)
            } catch {
                throw RecipeError(
                    .missingSource, "'\(source)', which becomes '\(path)', cannot be read.",
                    cause: error.localizedDescription)
            }
            try member(name, mode: 0o100000 | mode, data: Array(data))
        }
    }

    private mutating func member(
        _ name: String, mode: UInt32, links: UInt32 = 1, major: UInt32 = 0, minor: UInt32 = 0, data: [UInt8]
    ) throws {
        guard let size = UInt32(exactly: data.count) else {
            throw RecipeError(
                .contentRefused, "'/\(name)' has \(data.count) bytes, but a cpio archive holds files below 4 GiB.")
        }
        inode += 1
        header(name, [inode, mode, 0, 0, links, 0, size, 0, 0, major, minor])
        buffer += data
        pad(to: 4)
        if buffer.count >= 1 << 20 { try flush() }
    }

    /// The fields from inode to rdevminor, as eight hexadecimal digits each; name size, checksum and name follow.
    private mutating func header(_ name: String, _ fields: [UInt32]) {
        buffer += "070701".utf8
        for field in fields + [UInt32(name.utf8.count) + 1, 0] {
            let digits = String(field, radix: 16, uppercase: true)
            buffer += String(repeating: "0", count: 8 - digits.count).utf8
            buffer += digits.utf8
        }
        buffer += name.utf8
        buffer.append(0)
        pad(to: 4)
    }

    private mutating func pad(to alignment: Int) {
        let excess = (written + buffer.count) % alignment
        if excess != 0 { buffer += repeatElement(0, count: alignment - excess) }
    }

    private mutating func flush() throws {
        try handle.write(contentsOf: buffer)
        written += buffer.count
        buffer.removeAll(keepingCapacity: true)
    }

    private mutating func finish() throws {
        header("TRAILER!!!", [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0])
        pad(to: 512)
        try flush()
        try handle.close()
    }
}
