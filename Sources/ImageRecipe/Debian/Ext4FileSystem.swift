@preconcurrency import CExt2FS
import Glibc

/// An ext4 file system in a file that is being filled through libext2fs: no mount, no root, any owner.
///
/// What is written depends on the calls and their order only: all times come from the caller.
package struct Ext4FileSystem: ~Copyable {
    /// Owner, permissions and time of an inode.
    struct Attributes {
        var mode: UInt16
        var owner: UInt32
        var group: UInt32
        /// Seconds since 1970.
        var time: Int64
        /// Extended attributes by their full names.
        var extended: [String: [UInt8]] = [:]
    }

    typealias Inode = ext2_ino_t

    /// The root directory.
    static let root: Inode = 2

    private var handle: ext2_filsys?
    private let path: String

    /// Opens the file system at `offset` bytes of a file.
    package static func open(path: String, offset: UInt64, time: Int64) throws(RecipeError) -> Ext4FileSystem {
        var handle: ext2_filsys?
        let code = ext2fs_open2(
            path, "offset=\(offset)", EXT2_FLAG_RW | EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &handle)
        guard code == 0, let handle else { throw failure(code, path) }
        handle.pointee.now = time_t(time)
        let system = Ext4FileSystem(handle: handle, path: path)
        try system.check(ext2fs_read_bitmaps(handle))
        return system
    }

    private init(handle: ext2_filsys, path: String) {
        self.handle = handle
        self.path = path
    }

    deinit {
        var handle = handle
        if handle != nil { ext2fs_close_free(&handle) }
    }

    /// Writes what is pending and closes the file.
    package consuming func close() throws(RecipeError) {
        let (code, path) = (ext2fs_close_free(&handle), path)
        // The function clears the handle, so the owner's end does nothing more.
        if code != 0 { throw Self.failure(code, path) }
    }

    /// Makes a directory, or finds the one of this name.
    mutating func directory(_ name: String, in parent: Inode, _ attributes: Attributes) throws(RecipeError) -> Inode {
        var inode: Inode = 0
        if ext2fs_lookup(handle, parent, name, Int32(name.utf8.count), nil, &inode) != 0 {
            try check(ext2fs_new_inode(handle, parent, Int32(S_IFDIR) | 0o755, nil, &inode))
            try expanding(parent) { ext2fs_mkdir($0, parent, inode, name) }
        }
        try set(attributes, of: inode)
        return inode
    }

    /// Owner, permissions and time of the root directory.
    mutating func setRoot(_ attributes: Attributes) throws(RecipeError) { try set(attributes, of: Self.root) }

    mutating func symbolicLink(
        _ name: String, to target: String, in parent: Inode, _ attributes: Attributes
    ) throws(RecipeError) -> Inode {
        var inode: Inode = 0
        try check(ext2fs_new_inode(handle, parent, Int32(S_IFLNK) | 0o777, nil, &inode))
        try expanding(parent) { ext2fs_symlink($0, parent, inode, name, target) }
        var attributes = attributes
        attributes.mode = 0o777
        try set(attributes, of: inode)
        return inode
    }

    /// Another name of an inode.
    mutating func hardLink(_ name: String, to inode: Inode, type: Int32, in parent: Inode) throws(RecipeError) {
        try expanding(parent) { ext2fs_link($0, parent, name, inode, type) }
        try update(inode) { $0.i_links_count += 1 }
    }

    /// A device node or a pipe; `type` is one of `S_IFCHR`, `S_IFBLK` and `S_IFIFO`.
    mutating func node(
        _ name: String, type: mode_t, major: UInt32 = 0, minor: UInt32 = 0, in parent: Inode, _ attributes: Attributes
    ) throws(RecipeError) -> Inode {
        let kinds = [S_IFCHR: EXT2_FT_CHRDEV, S_IFBLK: EXT2_FT_BLKDEV]
        let inode = try makeInode(name, type: type, kind: kinds[type] ?? EXT2_FT_FIFO, in: parent) { inode in
            // The two encodings of device numbers: the old one where they fit, and the kernel's 32-bit one.
            if major < 256, minor < 256 {
                inode.i_block.0 = major << 8 | minor
            } else {
                inode.i_block.1 = minor & 0xFF | major << 8 | (minor & ~0xFF) << 12
            }
        }
        try set(attributes, of: inode)
        return inode
    }

    /// A file of `size` bytes; `next` gives the content piece by piece and an empty piece at the end.
    mutating func file(
        _ name: String, size: UInt64, in parent: Inode, _ attributes: Attributes,
        next: () throws(RecipeError) -> [UInt8]
    ) throws(RecipeError) -> Inode {
        let inode = try makeInode(name, type: S_IFREG, kind: EXT2_FT_REG_FILE, in: parent) { inode in
            inode.i_flags |= UInt32(EXT4_EXTENTS_FL)
            inode.i_size = UInt32(truncatingIfNeeded: size)
            inode.i_size_high = UInt32(truncatingIfNeeded: size >> 32)
        }
        if size > 0 { try write(size, to: inode, next: next) }
        try set(attributes, of: inode)
        return inode
    }

    private mutating func write(
        _ size: UInt64, to inode: Inode, next: () throws(RecipeError) -> [UInt8]
    ) throws(RecipeError) {
        guard let handle else { return }
        // All blocks at once, so that they are contiguous and the extent tree stays small.
        let blockSize = UInt64(handle.pointee.blocksize)
        try check(
            ext2fs_fallocate(
                handle, EXT2_FALLOCATE_FORCE_INIT, inode, nil, ~0, 0, (size + blockSize - 1) / blockSize))
        var file: ext2_file_t?
        try check(ext2fs_file_open(handle, inode, EXT2_FILE_WRITE, &file))
        do throws(RecipeError) {
            while true {
                let piece = try next()
                if piece.isEmpty { break }
                var written = 0
                while written < piece.count {
                    var count: UInt32 = 0
                    let code = piece.withUnsafeBytes { bytes in
                        ext2fs_file_write(
                            file, bytes.baseAddress.map { $0 + written }, UInt32(piece.count - written), &count)
                    }
                    try check(code)
                    written += Int(count)
                }
            }
        } catch {
            ext2fs_file_close(file)
            throw error
        }
        try check(ext2fs_file_close(file))
    }

    /// An inode of a file or node with its name.
    private mutating func makeInode(
        _ name: String, type: mode_t, kind: Int32, in parent: Inode, _ fill: (inout ext2_inode) -> Void
    ) throws(RecipeError) -> Inode {
        var inode: Inode = 0
        try check(ext2fs_new_inode(handle, parent, Int32(type) | 0o755, nil, &inode))
        try expanding(parent) { ext2fs_link($0, parent, name, inode, kind) }
        ext2fs_inode_alloc_stats2(handle, inode, 1, 0)
        var content = ext2_inode()
        content.i_mode = UInt16(truncatingIfNeeded: type)
        content.i_links_count = 1
        fill(&content)
        if content.i_flags & UInt32(EXT4_EXTENTS_FL) != 0 {
            // Opening the extents of an inode without any writes the header of an empty extent tree into it.
            var extents: ext2_extent_handle_t?
            try check(ext2fs_extent_open2(handle, inode, &content, &extents))
            ext2fs_extent_free(extents)
        }
        try check(ext2fs_write_new_inode(handle, inode, &content))
        return inode
    }

    /// Runs an operation that adds a name to a directory; a full directory grows.
    private mutating func expanding(
        _ directory: Inode, _ operation: (ext2_filsys?) -> errcode_t
    ) throws(RecipeError) {
        var code = operation(handle)
        if code == errcode_t(EXT2_ET_DIR_NO_SPACE) {
            try check(ext2fs_expand_dir(handle, directory))
            code = operation(handle)
        }
        try check(code)
    }

    private mutating func set(_ attributes: Attributes, of inode: Inode) throws(RecipeError) {
        try update(inode) { content in
            content.i_mode = content.i_mode & UInt16(S_IFMT) | attributes.mode & 0o7777
            content.i_uid = UInt16(truncatingIfNeeded: attributes.owner)
            content.i_gid = UInt16(truncatingIfNeeded: attributes.group)
            content.osd2.linux2.l_i_uid_high = UInt16(truncatingIfNeeded: attributes.owner >> 16)
            content.osd2.linux2.l_i_gid_high = UInt16(truncatingIfNeeded: attributes.group >> 16)
            let time = UInt32(truncatingIfNeeded: attributes.time)
            content.i_atime = time
            content.i_mtime = time
            content.i_ctime = time
            content.i_crtime = time
        }
        if attributes.extended.isEmpty { return }
        var list: OpaquePointer?
        try check(ext2fs_xattrs_open(handle, inode, &list))
        defer { ext2fs_xattrs_close(&list) }
        try check(ext2fs_xattrs_read(list))
        for (name, value) in attributes.extended.sorted(by: { $0.key < $1.key }) {
            try check(value.withUnsafeBytes { ext2fs_xattr_set(list, name, $0.baseAddress, $0.count) })
        }
    }

    private mutating func update(
        _ inode: Inode, _ change: (inout ext2_inode_large) -> Void
    ) throws(RecipeError) {
        var content = ext2_inode_large()
        let size = Int32(MemoryLayout<ext2_inode_large>.size)
        let code = withUnsafeMutablePointer(to: &content) { large in
            large.withMemoryRebound(to: ext2_inode.self, capacity: 1) {
                ext2fs_read_inode_full(handle, inode, $0, size)
            }
        }
        try check(code)
        change(&content)
        let written = withUnsafeMutablePointer(to: &content) { large in
            large.withMemoryRebound(to: ext2_inode.self, capacity: 1) {
                ext2fs_write_inode_full(handle, inode, $0, size)
            }
        }
        try check(written)
    }

    private func check(_ code: errcode_t) throws(RecipeError) {
        guard code == 0 else { throw Self.failure(code, path) }
    }

    private static func failure(_ code: errcode_t, _ path: String) -> RecipeError {
        let full = [EXT2_ET_BLOCK_ALLOC_FAIL, EXT2_ET_INODE_ALLOC_FAIL].map { errcode_t($0) }.contains(code)
        let text = error_message(code).map { String(cString: $0) } ?? "error \(code)"
        return full
            ? RecipeError(.contentRefused, "The content does not fit into the disk; raise 'size'.", cause: text)
            : RecipeError(.cannotWrite, "The file system in '\(path)' cannot be written; check the free space.", cause: text)
    }
}
