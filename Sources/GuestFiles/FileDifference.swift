/// Which files differ between two versions of a file system. See <doc:GuestFiles>.
package struct FileDifference: Sendable {
    /// One path that is not the same.
    package struct Change: Sendable, Hashable, Encodable {
        package enum Kind: String, Sendable, Hashable, Encodable {
            case added, removed, modified, attributes, renamed
        }

        package let path: String
        package let kind: Kind
        /// "file", "directory", …
        package let type: String
        /// Where a renamed one was before.
        package let oldPath: String?
        /// Bytes; nil where there is none.
        package let oldSize: UInt64?
        package let newSize: UInt64?
    }

    /// By path.
    package let changes: [Change]

    /// Compares two versions of a file system.
    ///
    /// - Parameter changed: the ranges of bytes of the partition that differ, ascending; nil compares the bytes of every file whose
    ///   place or time is not the same, and of no other.
    package init(
        from old: Ext4FileSystem, to new: Ext4FileSystem, changed: [Range<UInt64>]?
    ) throws {
        let before = try old.files()
        let after = try new.files()
        let comparison = FileComparison(old: old, new: new, changed: changed)
        var changes: [Change] = []
        var gone: [String: FileRecord] = [:]
        for (path, record) in before where after[path] == nil { gone[path] = record }
        var goneByInode: [UInt64: String] = [:]
        for (path, record) in gone { goneByInode[Self.key(record)] = path }

        for (path, record) in after {
            guard let earlier = before[path] else {
                if let oldPath = goneByInode[Self.key(record)], let earlier = gone[oldPath],
                    Self.isSameFile(earlier, record),
                    gone.removeValue(forKey: oldPath) != nil
                {
                    changes.append(Self.change(.renamed, path, earlier, record, oldPath: oldPath))
                } else {
                    changes.append(Self.change(.added, path, nil, record))
                }
                continue
            }
            if try comparison.isModified(earlier, record) {
                changes.append(Self.change(.modified, path, earlier, record))
            } else if Self.attributesDiffer(earlier, record) {
                changes.append(Self.change(.attributes, path, earlier, record))
            }
        }
        for (path, record) in gone { changes.append(Self.change(.removed, path, record, nil)) }
        self.changes = changes.sorted { $0.path < $1.path }
    }

    private static func key(_ record: FileRecord) -> UInt64 {
        UInt64(record.inode) << 32 | UInt64(record.generation)
    }

    /// Whether an inode is what it was before, and not another file that got its number. Linux draws a generation for each file and
    /// notes the nanosecond of its making; tools that write file systems note the second at best.
    private static func isSameFile(_ old: FileRecord, _ new: FileRecord) -> Bool {
        guard old.kind == new.kind, old.created == new.created else { return false }
        return new.created % 1_000_000_000 != 0 || (old.size == new.size && old.blockWords == new.blockWords)
    }

    private static func attributesDiffer(_ old: FileRecord, _ new: FileRecord) -> Bool {
        // A directory's time says only that an entry changed, which is in the list already.
        (old.mode, old.user, old.group) != (new.mode, new.user, new.group)
            || (old.kind != .directory && old.modified != new.modified)
    }

    private static func change(
        _ kind: Change.Kind, _ path: String, _ old: FileRecord?, _ new: FileRecord?, oldPath: String? = nil
    ) -> Change {
        func size(_ record: FileRecord?) -> UInt64? {
            record.flatMap { $0.kind == .file || $0.kind == .symlink ? $0.size : nil }
        }
        return Change(
            path: path, kind: kind, type: (new ?? old)?.kind.rawValue ?? "", oldPath: oldPath, oldSize: size(old),
            newSize: size(new))
    }
}

/// Decides whether the contents of a path differ.
private struct FileComparison {
    let old: Ext4FileSystem
    let new: Ext4FileSystem
    let changed: [Range<UInt64>]?

    /// Bytes compared at a time.
    private static let window = 1 << 20

    func isModified(_ before: FileRecord, _ after: FileRecord) throws -> Bool {
        guard before.kind == after.kind else { return true }
        switch after.kind {
        case .directory, .fifo, .socket: return false
        case .device: return before.blockWords != after.blockWords
        case .symlink:
            if before.size != after.size { return true }
            return try old.symlinkTarget(before) != new.symlinkTarget(after)
        case .file:
            if before.size != after.size { return true }
            if try isUntouched(before, after) { return false }
            var offset: UInt64 = 0
            while offset < after.size {
                let count = Int(min(UInt64(Self.window), after.size - offset))
                if try old.contents(before, at: offset, count: count) != new.contents(after, at: offset, count: count) {
                    return true
                }
                offset += UInt64(count)
            }
            return false
        }
    }

    /// Both versions lie in the same blocks of the disk, and none of those differs.
    private func isUntouched(_ before: FileRecord, _ after: FileRecord) throws -> Bool {
        guard let changed else { return before.blockWords == after.blockWords && before.modified == after.modified }
        let blocks = try new.blocks(of: after)
        // Data inside the inode.
        if blocks.isEmpty, after.size > 0 {
            return before.blockWords == after.blockWords && before.modified == after.modified
        }
        let earlier = try old.blocks(of: before)
        guard earlier.count == blocks.count, old.blockSize == new.blockSize else { return false }
        for (left, right) in zip(earlier, blocks) {
            guard left.logical == right.logical, left.physical == right.physical else { return false }
            let start = right.physical * new.blockSize
            if Self.touches(changed, start..<start + new.blockSize) { return false }
        }
        return true
    }

    private static func touches(_ ranges: [Range<UInt64>], _ block: Range<UInt64>) -> Bool {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound <= block.lowerBound { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].lowerBound < block.upperBound
    }
}
