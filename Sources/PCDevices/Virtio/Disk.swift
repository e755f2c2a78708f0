/// A disk of one machine: the snapshot's contents, and what was written since.
///
/// Written clusters of 4 KiB lie in a tree of arrays with 64 entries a node. Copying a disk shares the whole tree; a write copies the
/// nodes on its way (one a level, at most ten) and its cluster, unless this disk is alone with them.
package struct Disk: Sendable {
    /// Bytes that are copied and kept as one.
    package static let clusterByteCount = 4096
    private static let fanOut = 64

    /// A part of the tree.
    private enum Extent: Sendable {
        /// As in the snapshot.
        case base
        /// Zeros, however many clusters the place in the tree stands for.
        case zeros
        /// Contents of one cluster.
        case cluster([UInt8])
        /// Parts of the next level.
        case table([Extent])
    }

    private let storage: any BlockStorage
    private var root = Extent.base
    /// Levels of tables above the clusters.
    private let depth: Int

    /// A disk on which nothing was written.
    package init(_ storage: some BlockStorage) {
        self.storage = storage
        var depth = 1
        var reach = UInt64(Self.fanOut * Self.clusterByteCount)
        while reach < storage.byteCount, depth < 10 {
            depth += 1
            reach =
                reach.multipliedReportingOverflow(by: UInt64(Self.fanOut)).overflow
                ? UInt64.max : reach * UInt64(Self.fanOut)
        }
        self.depth = depth
    }

    /// Size in bytes.
    package var byteCount: UInt64 { storage.byteCount }

    /// The range lies inside the disk.
    package func contains(_ offset: UInt64, _ count: UInt64) -> Bool {
        offset <= byteCount && count <= byteCount - offset
    }
}

extension Disk {
    /// Fills the buffer from a range inside the disk. Throws what the snapshot's storage throws.
    package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        guard contains(offset, UInt64(buffer.count)) else { throw Self.beyondEnd }
        var done = 0
        while done < buffer.count {
            let place = offset + UInt64(done)
            let start = Int(place % UInt64(Self.clusterByteCount))
            let count = min(Self.clusterByteCount - start, buffer.count - done)
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[done..<done + count])
            switch extent(place / UInt64(Self.clusterByteCount)) {
            case .cluster(let bytes):
                bytes.withUnsafeBytes {
                    part.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start..<start + count]))
                }
            case .zeros: part.initializeMemory(as: UInt8.self, repeating: 0)
            case .base, .table:
                // Neighbours that are not written are read in one go.
                var length = count
                while done + length < buffer.count, isBase((place + UInt64(length)) / UInt64(Self.clusterByteCount)) {
                    length += min(Self.clusterByteCount, buffer.count - done - length)
                }
                try storage.read(
                    at: place, into: UnsafeMutableRawBufferPointer(rebasing: buffer[done..<done + length]))
                done += length - count
            }
            done += count
        }
    }

    /// Writes a range inside the disk. Throws when the rest of a cluster cannot be read from the snapshot; clusters before it are written.
    package mutating func write(at offset: UInt64, from buffer: UnsafeRawBufferPointer) throws {
        guard contains(offset, UInt64(buffer.count)) else { throw Self.beyondEnd }
        var done = 0
        while done < buffer.count {
            let place = offset + UInt64(done)
            let start = Int(place % UInt64(Self.clusterByteCount))
            let count = min(Self.clusterByteCount - start, buffer.count - done)
            let part = UnsafeRawBufferPointer(rebasing: buffer[done..<done + count])
            let number = place / UInt64(Self.clusterByteCount)
            if count == Self.clusterByteCount {
                replace(number, with: .cluster(Array(part)))
            } else {
                try edit(number) { bytes in
                    bytes.withUnsafeMutableBytes {
                        UnsafeMutableRawBufferPointer(rebasing: $0[start..<start + count]).copyMemory(from: part)
                    }
                }
            }
            done += count
        }
    }

    /// Fills a range inside the disk with zeros; whole clusters take no memory.
    package mutating func clear(at offset: UInt64, count: UInt64) throws {
        guard contains(offset, count) else { throw Self.beyondEnd }
        let size = UInt64(Self.clusterByteCount)
        let end = offset + count
        let first = offset / size
        let last = end / size
        /// Zeros in a part of a cluster.
        func clear(_ disk: inout Disk, _ number: UInt64, _ range: Range<UInt64>) throws {
            guard !range.isEmpty else { return }
            try disk.edit(number) { bytes in
                for index in range { bytes[Int(index)] = 0 }
            }
        }
        guard first < last else { return try clear(&self, first, offset % size..<offset % size + count) }
        let start = offset % size == 0 ? first : first + 1
        if start > first { try clear(&self, first, offset % size..<size) }
        try clear(&self, last, 0..<end % size)
        if start < last { Self.clear(&root, 0, depth, start..<last) }
    }

    /// Calls `body` with every range that was written, in order: its place on the disk, its bytes, and its contents (nil: zeros). Ranges
    /// with contents are clusters; the last cluster of a disk whose size is no multiple of 4096 is shorter.
    package func forEachWrittenRange(
        _ body: (_ offset: UInt64, _ count: UInt64, _ contents: [UInt8]?) throws -> Void
    ) rethrows {
        func visit(_ extent: Extent, _ number: UInt64, _ level: Int) throws {
            let offset = number * UInt64(Self.clusterByteCount)
            guard offset < byteCount else { return }
            switch extent {
            case .base: return
            case .table(let entries):
                for (index, entry) in entries.enumerated() {
                    try visit(entry, number + UInt64(index) << UInt64(6 * (level - 1)), level - 1)
                }
            case .zeros:
                let count = UInt64(Self.clusterByteCount) << UInt64(6 * level)
                try body(offset, min(count, byteCount - offset), nil)
            case .cluster(let bytes):
                let count = min(UInt64(bytes.count), byteCount - offset)
                try body(offset, count, count == bytes.count ? bytes : Array(bytes.prefix(Int(count))))
            }
        }
        try visit(root, 0, depth)
    }
}

extension Disk {
    private static let beyondEnd = DeviceError(.malformed, "an access beyond the end of the disk")

    /// The part of a cluster number that selects the entry of a table `level` levels above the clusters.
    private static func slot(_ number: UInt64, _ level: Int) -> Int { Int(number >> UInt64(6 * (level - 1)) & 63) }

    private func extent(_ number: UInt64) -> Extent {
        var extent = root
        var level = depth
        while case .table(let entries) = extent, level > 0 {
            extent = entries[Self.slot(number, level)]
            level -= 1
        }
        return extent
    }

    private func isBase(_ number: UInt64) -> Bool {
        if case .base = extent(number) { return true }
        return false
    }

    private mutating func replace(_ number: UInt64, with extent: Extent) {
        Self.descend(&root, number, depth) { $0 = extent }
    }

    /// Changes bytes of a cluster, after a copy of what is there.
    private mutating func edit(_ number: UInt64, _ body: (inout [UInt8]) -> Void) throws {
        var original: [UInt8] = []
        if isBase(number) {
            original = [UInt8](repeating: 0, count: Self.clusterByteCount)
            let offset = number * UInt64(Self.clusterByteCount)
            let count = Int(min(UInt64(Self.clusterByteCount), byteCount - offset))
            try original.withUnsafeMutableBytes {
                try storage.read(at: offset, into: UnsafeMutableRawBufferPointer(rebasing: $0[..<count]))
            }
        }
        Self.descend(&root, number, depth) { extent in
            var bytes = original
            if case .cluster(let present) = extent {
                bytes = present
                // The tree lets go of the bytes while they are changed: alone with them, this disk copies nothing.
                extent = .base
            } else if bytes.isEmpty {
                bytes = [UInt8](repeating: 0, count: Self.clusterByteCount)
            }
            body(&bytes)
            extent = .cluster(bytes)
        }
    }

    /// Calls `body` with a cluster's place in the tree; tables on the way are made and are copied when they are shared.
    private static func descend(_ extent: inout Extent, _ number: UInt64, _ level: Int, _ body: (inout Extent) -> Void)
    {
        guard level > 0 else { return body(&extent) }
        var entries: [Extent]
        if case .table(let present) = extent {
            entries = present
            extent = .base
        } else {
            // As above the clusters, so below: a place without a table is all zeros or all base.
            var below = Extent.base
            if case .zeros = extent { below = .zeros }
            entries = [Extent](repeating: below, count: fanOut)
        }
        descend(&entries[slot(number, level)], number, level - 1, body)
        extent = .table(entries)
    }

    /// Puts zeros in the place of all clusters of a range; subtrees inside of it are let go as a whole.
    ///
    /// - Parameter first: number of the first cluster below `extent`, which has `level` levels of tables.
    private static func clear(_ extent: inout Extent, _ first: UInt64, _ level: Int, _ range: Range<UInt64>) {
        let span = UInt64(1) << UInt64(6 * level)
        guard first < range.upperBound, first + span > range.lowerBound else { return }
        if case .zeros = extent { return }
        if range.lowerBound <= first, first + span <= range.upperBound { return extent = .zeros }
        var entries: [Extent]
        if case .table(let present) = extent {
            entries = present
            extent = .base
        } else {
            entries = [Extent](repeating: .base, count: fanOut)
        }
        for index in 0..<fanOut {
            clear(&entries[index], first + UInt64(index) << UInt64(6 * (level - 1)), level - 1, range)
        }
        extent = .table(entries)
    }
}
