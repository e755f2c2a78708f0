import GuestFiles

/// Finds the file systems of two versions of a disk, and the files that differ in those that are in both.
struct FileSystemComparison {
    let disk: String
    let before: any DiskReader
    let after: any DiskReader
    /// Ranges of bytes of the disk that differ, ascending.
    let changed: [Range<UInt64>]

    func differences() throws -> [FileSystemDifference] {
        let old = try PartitionTable(of: before).partitions
        return try PartitionTable(of: after).partitions.compactMap { partition in
            let range = partition.offset..<partition.offset + partition.length
            let inside = changed.filter { $0.overlaps(range) }.map { $0.clamped(to: range) }
                .map { $0.lowerBound - partition.offset..<$0.upperBound - partition.offset }
            guard !inside.isEmpty, partition.content != .unknown else { return nil }
            var difference = FileSystemDifference(
                name: disk + (partition.number.map { "\($0)" } ?? ""), kind: partition.content.rawValue)
            guard partition.content == .ext4 else {
                difference.notes.append("its files are not compared: only ext2, ext3 and ext4 are read")
                return difference
            }
            guard
                let earlier = old.first(where: { $0.number == partition.number && $0.content == .ext4 }),
                earlier.offset == partition.offset
            else {
                difference.notes.append("there was no ext4 file system at this place before")
                return difference
            }
            do {
                try compare(earlier, partition, inside, &difference)
            } catch let error as GuestFilesError {
                difference.notes.append(error.description)
            }
            return difference
        }
    }

    private func compare(
        _ earlier: PartitionTable.Partition, _ later: PartitionTable.Partition, _ changed: [Range<UInt64>],
        _ difference: inout FileSystemDifference
    ) throws {
        let old = try Ext4FileSystem(PartitionReader(before, offset: earlier.offset, length: earlier.length))
        let new = try Ext4FileSystem(PartitionReader(after, offset: later.offset, length: later.length))
        difference.label = new.label
        if new.replayedTransactions > 0 || old.replayedTransactions > 0 {
            difference.notes.append(
                "in use when the snapshot was taken: its journal was replayed for this comparison; what the guest had not "
                    + "written yet is in its RAM only")
        }
        // Journals hold metadata, and with data=journal also the bytes of files.
        let replaced = old.replayedRanges + new.replayedRanges
        let ranges = replaced.isEmpty ? changed : Self.merged(changed + replaced)
        difference.changes = try FileDifference(from: old, to: new, changed: ranges).changes
    }

    private static func merged(_ ranges: [Range<UInt64>]) -> [Range<UInt64>] {
        ranges.sorted { $0.lowerBound < $1.lowerBound }.reduce(into: []) { merged, range in
            if let last = merged.last, range.lowerBound <= last.upperBound {
                merged[merged.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
    }
}
