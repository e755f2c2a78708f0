import CExt2FS

/// The blocks that the committed transactions of a journal put in place, read as e2fsck and the kernel do.
///
/// Source: the on-disk format of jbd2 (kernel documentation, "ext4: Journal (jbd2)"). All numbers are big-endian. Checksums of
/// descriptor blocks are not examined: a transaction counts when its commit block is there with the expected sequence number.
struct JournalReplay {
    /// Contents by number of the file system's block.
    private(set) var blocks: [UInt64: [UInt8]] = [:]
    private(set) var transactions = 0

    private static let magic: UInt32 = 0xC03B_3998
    private static let journalInode: ext2_ino_t = 8
    private static let fastCommitFeature: UInt32 = 0x20
    private static let knownFeatures: UInt32 = 0x3F
    /// Most bytes of journal that are looked at.
    private static let limit = 1 << 30

    private enum BlockType: UInt32 {
        case descriptor = 1
        case commit = 2
        case superblock1 = 3
        case superblock2 = 4
        case revoke = 5
    }

    private struct Layout {
        var blockSize: Int
        var first: UInt32
        var end: UInt32
        var features: UInt32

        var has64Bit: Bool { features & 0x2 != 0 }
        var hasChecksum2: Bool { features & 0x8 != 0 }
        var hasChecksum3: Bool { features & 0x10 != 0 }
        var hasChecksumTail: Bool { hasChecksum2 || hasChecksum3 }

        func next(_ block: UInt32) -> UInt32 { block + 1 >= end ? first : block + 1 }
    }

    private let layout: Layout
    /// The physical block of each block of the journal.
    private let map: [UInt64]
    private let cache: BlockCache

    /// Reads the journal inside the file system; one on another device is refused.
    init(of fileSystem: ext2_filsys, cache: BlockCache) throws {
        self.cache = cache
        guard let superblock = fileSystem.pointee.super, superblock.pointee.s_journal_inum == Self.journalInode else {
            throw GuestFilesError(
                .unsupported, "The ext4 file system needs its journal, which is on another device.")
        }
        let blockSize = Int(fileSystem.pointee.blocksize)
        map = try Self.map(of: fileSystem, limit: Self.limit / blockSize)
        guard let first = map.first,
            let header = Self.read(first, blockSize, cache), header.big(UInt32.self, at: 0) == Self.magic,
            let type = header.big(UInt32.self, at: 4), type == 3 || type == 4,
            header.big(UInt32.self, at: 12) == UInt32(blockSize), let length = header.big(UInt32.self, at: 16),
            let firstLog = header.big(UInt32.self, at: 20), var sequence = header.big(UInt32.self, at: 24),
            let start = header.big(UInt32.self, at: 28)
        else { throw Self.damaged("its superblock") }
        let features = type == 4 ? header.big(UInt32.self, at: 40) ?? 0 : 0
        guard features & ~Self.knownFeatures == 0 else {
            throw GuestFilesError(.unsupported, "The ext4 file system's journal has an unknown feature.")
        }
        var end = length
        if features & Self.fastCommitFeature != 0 {
            // The last blocks hold fast commits, which are an addition to what is replayed here.
            let count = header.big(UInt32.self, at: 84) ?? 0
            end = length > (count == 0 ? 256 : count) ? length - (count == 0 ? 256 : count) : length
        }
        guard firstLog > 0, firstLog < end, Int(length) <= map.count else { throw Self.damaged("its extent") }
        layout = Layout(blockSize: blockSize, first: firstLog, end: end, features: features)
        guard start != 0 else { return }
        guard start >= firstLog, start < end else { throw Self.damaged("where its log starts") }

        var revoked: [UInt64: UInt32] = [:]
        var written: [(block: UInt64, journal: UInt32, sequence: UInt32, isEscaped: Bool)] = []
        var position = start
        var walked: UInt32 = 0
        while walked < end {
            guard let transaction = transaction(at: position, sequence: sequence) else { break }
            walked += transaction.blocks
            position = transaction.next
            for block in transaction.revoked { revoked[block] = sequence }
            for entry in transaction.entries { written.append((entry.block, entry.journal, sequence, entry.isEscaped)) }
            sequence &+= 1
            transactions += 1
        }
        for entry in written {
            // A revoke covers its own transaction and those before it.
            if let last = revoked[entry.block], Int32(bitPattern: last &- entry.sequence) >= 0 { continue }
            // A block that the file system cannot have; also keeps offsets in range.
            guard entry.block < 1 << 48 else { throw Self.damaged("the place of a block") }
            guard var bytes = Self.read(map[Int(entry.journal)], blockSize, cache) else {
                throw Self.damaged("a block of its log")
            }
            if entry.isEscaped { bytes.replaceSubrange(0..<4, with: [0xC0, 0x3B, 0x39, 0x98]) }
            blocks[entry.block] = bytes
        }
    }

    private struct Transaction {
        var entries: [(block: UInt64, journal: UInt32, isEscaped: Bool)] = []
        var revoked: [UInt64] = []
        /// The journal's block after the commit block.
        var next: UInt32 = 0
        var blocks: UInt32 = 0
    }

    /// One transaction, or nil when it was not committed.
    private func transaction(at start: UInt32, sequence: UInt32) -> Transaction? {
        var transaction = Transaction()
        var position = start
        while transaction.blocks < layout.end {
            guard let bytes = Self.read(map[Int(position)], layout.blockSize, cache),
                bytes.big(UInt32.self, at: 0) == Self.magic, bytes.big(UInt32.self, at: 8) == sequence,
                let type = bytes.big(UInt32.self, at: 4).flatMap(BlockType.init)
            else { return nil }
            position = layout.next(position)
            transaction.blocks += 1
            switch type {
            case .descriptor:
                for tag in tags(bytes) {
                    transaction.entries.append((tag.block, position, tag.isEscaped))
                    position = layout.next(position)
                    transaction.blocks += 1
                    if transaction.blocks >= layout.end { return nil }
                }
            case .revoke: transaction.revoked += revocations(bytes)
            case .commit:
                transaction.next = position
                return transaction
            case .superblock1, .superblock2: return nil
            }
        }
        return nil
    }

    private func tags(_ bytes: [UInt8]) -> [(block: UInt64, isEscaped: Bool)] {
        var found: [(block: UInt64, isEscaped: Bool)] = []
        let end = layout.blockSize - (layout.hasChecksumTail ? 4 : 0)
        var offset = 12
        while true {
            let size = layout.hasChecksum3 ? 16 : (layout.has64Bit ? 12 : 8)
            guard offset + size <= end, let low = bytes.big(UInt32.self, at: offset) else { return found }
            let flags =
                layout.hasChecksum3
                ? bytes.big(UInt32.self, at: offset + 4) ?? 0 : UInt32(bytes.big(UInt16.self, at: offset + 6) ?? 0)
            var block = UInt64(low)
            if layout.has64Bit { block |= UInt64(bytes.big(UInt32.self, at: offset + 8) ?? 0) << 32 }
            found.append((block, flags & 1 != 0))
            if flags & 8 != 0 { return found }
            offset += size + (flags & 2 == 0 ? 16 : 0)
        }
    }

    private func revocations(_ bytes: [UInt8]) -> [UInt64] {
        let used = min(Int(bytes.big(UInt32.self, at: 12) ?? 0), layout.blockSize)
        let width = layout.has64Bit ? 8 : 4
        return stride(from: 16, to: used, by: width).compactMap { offset in
            guard offset + width <= used else { return nil }
            return layout.has64Bit
                ? bytes.big(UInt64.self, at: offset) : bytes.big(UInt32.self, at: offset).map(UInt64.init)
        }
    }

    private static func map(of fileSystem: ext2_filsys, limit: Int) throws -> [UInt64] {
        struct Collector {
            var blocks: [UInt64] = []
            var limit: Int
        }
        var collector = Collector(limit: limit)
        let error = withUnsafeMutablePointer(to: &collector) { collector in
            ext2fs_block_iterate3(
                fileSystem, journalInode, BLOCK_FLAG_READ_ONLY | BLOCK_FLAG_DATA_ONLY, nil,
                { _, block, _, _, _, context in
                    guard let block, let context else { return BLOCK_ABORT }
                    // Unsafe: the context is the collector, alive during the call.
                    let collector = context.assumingMemoryBound(to: Collector.self)
                    collector.pointee.blocks.append(block.pointee)
                    return collector.pointee.blocks.count < collector.pointee.limit ? 0 : BLOCK_ABORT
                }, collector)
        }
        guard error == 0 else { throw damaged("its inode") }
        return collector.blocks
    }

    private static func read(_ block: UInt64, _ size: Int, _ cache: BlockCache) -> [UInt8]? {
        let (offset, overflow) = block.multipliedReportingOverflow(by: UInt64(size))
        guard !overflow else { return nil }
        var bytes = [UInt8](repeating: 0, count: size)
        return bytes.withUnsafeMutableBytes { cache.read(at: offset, into: $0) } ? bytes : nil
    }

    private static func damaged(_ what: String) -> GuestFilesError {
        GuestFilesError(
            .damaged, "The journal of the ext4 file system is damaged: \(what). Try e2fsck on an exported copy.")
    }
}
