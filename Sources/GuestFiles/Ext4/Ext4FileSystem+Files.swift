import CExt2FS
import Glibc

/// What is at a path.
package struct FileRecord: Sendable, Hashable {
    package enum Kind: String, Sendable, Hashable {
        case file, directory, symlink, device, fifo, socket
    }

    package let kind: Kind
    /// Bytes.
    package let size: UInt64
    /// Permission bits with set-id and sticky bits.
    package let mode: UInt16
    package let user: UInt32
    package let group: UInt32
    /// Seconds since 1970.
    package let modified: Int64
    let inode: ext2_ino_t
    let generation: UInt32
    /// Nanoseconds since 1970 (as far as 32 bits of seconds go); 0 where the inode has no such field.
    let created: UInt64
    /// The 15 block words: extent tree root, inline symlink, device number.
    let blockWords: [UInt32]

    init?(_ inode: ext2_inode_large, number: ext2_ino_t) {
        switch inode.i_mode & 0xF000 {
        case 0x8000: kind = .file
        case 0x4000: kind = .directory
        case 0xA000: kind = .symlink
        case 0x2000, 0x6000: kind = .device
        case 0x1000: kind = .fifo
        case 0xC000: kind = .socket
        default: return nil
        }
        size = UInt64(inode.i_size) | UInt64(inode.i_size_high) << 32
        mode = inode.i_mode & 0xFFF
        user = UInt32(inode.i_uid) | UInt32(inode.osd2.linux2.l_i_uid_high) << 16
        group = UInt32(inode.i_gid) | UInt32(inode.osd2.linux2.l_i_gid_high) << 16
        // The two lowest bits of the extra field are bits 32 and 33 of the seconds.
        let hasExtra = inode.i_extra_isize >= 12
        modified =
            Int64(Int32(bitPattern: inode.i_mtime)) + (hasExtra ? Int64(inode.i_mtime_extra & 3) << 32 : 0)
        self.inode = number
        generation = inode.i_generation
        created =
            inode.i_extra_isize >= 24 ? UInt64(inode.i_crtime) * 1_000_000_000 + UInt64(inode.i_crtime_extra >> 2) : 0
        blockWords = withUnsafeBytes(of: inode.i_block) { Array($0.bindMemory(to: UInt32.self)) }
    }
}

extension Ext4FileSystem {
    /// Most paths that one file system is read for.
    static let pathLimit = 8_000_000

    /// Everything below the root, by its path in bytes of the file system (mostly UTF-8), without the root itself.
    ///
    /// An inode with several names appears once a name. Damaged directories are left out as far as they are damaged.
    package func files() throws -> [String: FileRecord] {
        var found: [String: FileRecord] = [:]
        var records: [ext2_ino_t: FileRecord] = [:]
        var visited: Set<ext2_ino_t> = [ext2_ino_t(EXT2_ROOT_INO)]
        var pending: [(inode: ext2_ino_t, path: String)] = [(ext2_ino_t(EXT2_ROOT_INO), "")]
        while let directory = pending.popLast() {
            for (name, inode) in try entries(of: directory.inode) {
                let record: FileRecord
                if let known = records[inode] {
                    record = known
                } else {
                    guard let read = try self.record(of: inode) else { continue }
                    record = read
                    records[inode] = read
                }
                let path = directory.path + "/" + name
                found[path] = record
                guard found.count < Self.pathLimit else {
                    throw GuestFilesError(.unsupported, "The file system has more than \(Self.pathLimit) files.")
                }
                // A directory is met once: damage may make a circle.
                if record.kind == .directory, visited.insert(inode).inserted { pending.append((inode, path)) }
            }
        }
        return found
    }

    private func entries(of directory: ext2_ino_t) throws -> [(name: String, inode: ext2_ino_t)] {
        var found: [(name: String, inode: ext2_ino_t)] = []
        withUnsafeMutablePointer(to: &found) { found in
            // What can be read of a damaged directory counts, so the library's own verdict does not.
            _ = ext2fs_dir_iterate2(
                handle, directory, 0, nil,
                { _, _, entry, _, _, _, context in
                    guard let entry, let context, entry.pointee.inode != 0 else { return 0 }
                    // Unsafe: the library has checked that the name lies in the block; the declared array may not.
                    let name = String(
                        decoding: UnsafeRawBufferPointer(
                            start: UnsafeRawPointer(entry) + 8, count: Int(entry.pointee.name_len & 0xFF)),
                        as: UTF8.self)
                    if name == "." || name == ".." { return 0 }
                    // Unsafe: the context is the array, alive during the call.
                    context.assumingMemoryBound(to: [(name: String, inode: ext2_ino_t)].self).pointee
                        .append((name, entry.pointee.inode))
                    return 0
                }, found)
        }
        if let failure = cache.failure { throw failure }
        return found
    }

    private func record(of number: ext2_ino_t) throws -> FileRecord? {
        var inode = ext2_inode_large()
        let error = withUnsafeMutableBytes(of: &inode) { bytes in
            ext2fs_read_inode_full(
                handle, number, bytes.baseAddress?.assumingMemoryBound(to: ext2_inode.self), Int32(bytes.count))
        }
        if let failure = cache.failure { throw failure }
        return error == 0 ? FileRecord(inode, number: number) : nil
    }

    /// The target of a symlink, or nil when it cannot be read.
    func symlinkTarget(_ record: FileRecord) throws -> [UInt8]? {
        if record.size < 60 {
            return record.blockWords.withUnsafeBytes { Array($0.prefix(Int(record.size))) }
        }
        return try record.size <= 4096 ? contents(record, at: 0, count: Int(record.size)) : nil
    }

    /// Bytes of a regular file or long symlink; fewer at its end.
    func contents(_ record: FileRecord, at offset: UInt64, count: Int) throws -> [UInt8] {
        var file: ext2_file_t?
        try check(ext2fs_file_open2(handle, record.inode, nil, 0, &file), "inode \(record.inode)")
        defer { ext2fs_file_close(file) }
        var position: __u64 = 0
        try check(ext2fs_file_llseek(file, offset, EXT2_SEEK_SET, &position), "inode \(record.inode)")
        var bytes = [UInt8](repeating: 0, count: count)
        var read: UInt32 = 0
        let error = bytes.withUnsafeMutableBytes {
            ext2fs_file_read(file, $0.baseAddress, UInt32(clamping: $0.count), &read)
        }
        try check(error, "the contents of inode \(record.inode)")
        return Array(bytes.prefix(Int(read)))
    }

    /// The physical block of each block of a file that has one, in the order of the file.
    func blocks(of record: FileRecord) throws -> [(logical: Int64, physical: UInt64)] {
        var found: [(logical: Int64, physical: UInt64)] = []
        guard record.kind == .file, record.size > 0 else { return found }
        let error = withUnsafeMutablePointer(to: &found) { found in
            ext2fs_block_iterate3(
                handle, record.inode, BLOCK_FLAG_READ_ONLY | BLOCK_FLAG_DATA_ONLY, nil,
                { _, block, logical, _, _, context in
                    guard let block, let context else { return BLOCK_ABORT }
                    // Unsafe: the context is the array, alive during the call.
                    context.assumingMemoryBound(to: [(logical: Int64, physical: UInt64)].self).pointee
                        .append((logical, block.pointee))
                    return 0
                }, found)
        }
        // A file whose data lies in the inode has no blocks.
        if error == EXT2_ET_INLINE_DATA_CANT_ITERATE { return [] }
        try check(error, "the blocks of inode \(record.inode)")
        return found
    }
}
