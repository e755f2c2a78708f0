import CExt2FS

/// An ext2, ext3 or ext4 file system of a guest, read without mounting it. For one thread at a time.
package final class Ext4FileSystem {
    let handle: ext2_filsys
    let cache: BlockCache
    /// Transactions of the journal that were replayed in memory; 0 for a file system that was unmounted.
    package private(set) var replayedTransactions = 0
    /// The bytes of the partition that the replay replaced, ascending, a block each.
    package private(set) var replayedRanges: [Range<UInt64>] = []

    /// Opens the file system of a partition.
    ///
    /// - Throws: ``GuestFilesError``: `.damaged` or `.unsupported` with the library's words, `.io`.
    package init(_ partition: any DiskReader) throws {
        cache = BlockCache(partition)
        var opened = try Self.open(cache)
        if ext2fs_has_feature_journal_needs_recovery(opened.pointee.super) != 0 {
            let replay: JournalReplay
            do {
                replay = try JournalReplay(of: opened, cache: cache)
            } catch {
                ext2fs_free(opened)
                throw error
            }
            if !replay.blocks.isEmpty {
                let size = UInt64(opened.pointee.blocksize)
                replayedRanges = replay.blocks.keys.sorted().map { $0 * size..<($0 + 1) * size }
                // The superblock and the group descriptors that the library holds may be among the replaced blocks.
                cache.replace(replay.blocks, blockSize: UInt64(opened.pointee.blocksize))
                ext2fs_free(opened)
                opened = try Self.open(cache)
            }
            replayedTransactions = replay.transactions
        }
        handle = opened
    }

    deinit {
        ext2fs_free(handle)
    }

    private static func open(_ cache: BlockCache) throws -> ext2_filsys {
        let (fileSystem, error) = ChannelManager.openFileSystem(cache)
        if let failure = cache.failure { throw failure }
        guard let fileSystem else {
            let code: GuestFilesError.Code = error == EXT2_ET_UNSUPP_FEATURE ? .unsupported : .damaged
            throw GuestFilesError(
                code, "The ext4 file system cannot be opened; try e2fsck on an exported copy.", cause: text(error))
        }
        return fileSystem
    }

    /// Bytes of a block.
    var blockSize: UInt64 { UInt64(handle.pointee.blocksize) }

    /// The volume label, or the UUID of one without.
    package var label: String {
        guard let superblock = handle.pointee.super else { return "" }
        let name = withUnsafeBytes(of: superblock.pointee.s_volume_name) { Array($0.prefix { $0 != 0 }) }
        if !name.isEmpty { return String(decoding: name, as: UTF8.self) }
        return withUnsafeBytes(of: superblock.pointee.s_uuid) { uuid in
            uuid.enumerated().map { index, byte in
                let digits = String(byte, radix: 16)
                return ([4, 6, 8, 10].contains(index) ? "-" : "") + (digits.count == 1 ? "0" : "") + digits
            }.joined()
        }
    }

    /// Throws what a call of the library met.
    func check(_ error: errcode_t, _ what: @autoclosure () -> String) throws {
        if let failure = cache.failure { throw failure }
        guard error == 0 else {
            throw GuestFilesError(.damaged, "The ext4 file system is damaged: \(what()).", cause: Self.text(error))
        }
    }

    private static func text(_ error: errcode_t) -> String {
        guard let message = error_message(error) else { return "error \(error)" }
        return String(cString: message)
    }
}
