import CExt2FS
import Glibc

/// Lets libext2fs read from a ``BlockCache`` instead of a file.
///
/// The library opens "files" by name: the name that it is given here is the address of a retained ``BlockCache``.
enum ChannelManager {
    /// The manager's table of functions. It has the library's life: it is made once and never freed.
    ///
    /// Unsafe: written once before it is shared, then only read, also by the library.
    private nonisolated(unsafe) static let manager: UnsafeMutablePointer<struct_io_manager> = {
        let manager = UnsafeMutablePointer<struct_io_manager>.allocate(capacity: 1)
        manager.initialize(to: struct_io_manager())
        manager.pointee.magic = magic(0x7F2B_B707)
        manager.pointee.name = UnsafePointer(strdup("stemma"))
        manager.pointee.open = { name, _, result in
            guard let name, let result, let address = UInt(String(cString: name), radix: 16),
                let object = UnsafeMutableRawPointer(bitPattern: address)
            else { return errcode_t(EINVAL) }
            return ChannelManager.open(object, result)
        }
        manager.pointee.close = { channel in
            ChannelManager.close(channel)
            return 0
        }
        manager.pointee.set_blksize = { channel, size in
            guard let channel, size > 0 else { return errcode_t(EINVAL) }
            channel.pointee.block_size = size
            return 0
        }
        manager.pointee.read_blk = { channel, block, count, data in
            ChannelManager.read(channel, UInt64(block), count, data)
        }
        manager.pointee.read_blk64 = { channel, block, count, data in
            ChannelManager.read(channel, block, count, data)
        }
        manager.pointee.write_blk = { _, _, _, _ in errcode_t(EROFS) }
        manager.pointee.write_blk64 = { _, _, _, _ in errcode_t(EROFS) }
        manager.pointee.flush = { _ in 0 }
        return manager
    }()

    /// EXT2_ET_MAGIC_IO_MANAGER and its neighbours, which are macros that do not fit an Int32.
    private static func magic(_ value: UInt32) -> errcode_t { errcode_t(value) }

    /// Opens a file system; the library holds a reference to `cache` until the file system is closed.
    static func openFileSystem(_ cache: BlockCache) -> (fileSystem: ext2_filsys?, error: errcode_t) {
        let object = Unmanaged.passUnretained(cache).toOpaque()
        let name = String(UInt(bitPattern: object), radix: 16)
        var fileSystem: ext2_filsys?
        // Checksums are not demanded: a file system that was in use may have stale ones.
        let flags = EXT2_FLAG_64BITS | EXT2_FLAG_SKIP_MMP | EXT2_FLAG_IGNORE_CSUM_ERRORS
        let error = ext2fs_open2(name, nil, flags, 0, 0, manager, &fileSystem)
        return (error == 0 ? fileSystem : nil, error)
    }

    private static func open(
        _ object: UnsafeMutableRawPointer, _ result: UnsafeMutablePointer<io_channel?>
    ) -> errcode_t {
        let channel = UnsafeMutablePointer<struct_io_channel>.allocate(capacity: 1)
        channel.initialize(to: struct_io_channel())
        channel.pointee.magic = magic(0x7F2B_B705)
        channel.pointee.manager = manager
        channel.pointee.name = strdup("stemma")
        channel.pointee.block_size = 1024
        channel.pointee.refcount = 1
        // Unsafe: the address is that of a BlockCache that `openFileSystem` holds during the call.
        channel.pointee.private_data = Unmanaged<BlockCache>.fromOpaque(object).retain().toOpaque()
        result.pointee = channel
        return 0
    }

    private static func close(_ channel: io_channel?) {
        guard let channel else { return }
        channel.pointee.refcount -= 1
        guard channel.pointee.refcount <= 0 else { return }
        if let object = channel.pointee.private_data { Unmanaged<BlockCache>.fromOpaque(object).release() }
        free(channel.pointee.name)
        channel.deallocate()
    }

    /// Negative counts are bytes, positive ones blocks (libext2fs, `io_channel_read_blk64`).
    private static func read(
        _ channel: io_channel?, _ block: UInt64, _ count: Int32, _ data: UnsafeMutableRawPointer?
    ) -> errcode_t {
        guard let channel, let data, let object = channel.pointee.private_data else { return errcode_t(EINVAL) }
        let blockSize = UInt64(channel.pointee.block_size)
        let length = count < 0 ? Int(count.magnitude) : Int(count) * Int(blockSize)
        let (offset, overflow) = block.multipliedReportingOverflow(by: blockSize)
        guard !overflow else { return errcode_t(EINVAL) }
        let cache = Unmanaged<BlockCache>.fromOpaque(object).takeUnretainedValue()
        return cache.read(at: offset, into: UnsafeMutableRawBufferPointer(start: data, count: length))
            ? 0 : errcode_t(EIO)
    }
}
