// Reading the frames of one region of a pack.
extension BulkReader {
    /// The greatest gap between two frames that is read over.
    private static var gap: Int { 32 << 10 }

    /// - Parameter leaves: sorted by frame.
    func readRegion(
        _ leaves: [Wanted], _ catalog: Catalog, _ scratch: ReadScratch, _ statistics: inout BulkReadStatistics
    ) throws {
        guard let first = leaves.first else { return }
        guard first.place != Wanted.nowhere else { return try readSingly(leaves[...], scratch, &statistics) }
        var pack: PackFile?
        do throws(StoreError) {
            pack = try store.pack(catalog.pack(index: Int(first.place >> 48), Int(first.place >> 32 & 0xFFFF)))
        } catch {
            guard ContentStore.mayHaveAnotherCopy(error) else { throw error }
        }
        guard let pack else { return try readSingly(leaves[...], scratch, &statistics) }
        var start = 0
        while start < leaves.count {
            // Frames that are near each other are read in one go.
            var end = start
            var runEnd = leaves[start].offset
            while end < leaves.count, leaves[end].offset <= runEnd + BulkReader.gap {
                runEnd = max(runEnd, leaves[end].offset + leaves[end].size)
                end += 1
            }
            try readRun(leaves[start..<end], to: runEnd, pack, scratch, &statistics)
            start = end
        }
    }

    /// Reads frames that are near each other.
    private func readRun(
        _ leaves: ArraySlice<Wanted>, to end: Int, _ pack: PackFile, _ scratch: ReadScratch,
        _ statistics: inout BulkReadStatistics
    ) throws {
        guard let runStart = leaves.first?.offset else { return }
        let count = min(end, Int(pack.size)) - runStart
        let bytes = scratch.stored.bytes(max(count, 0))
        do throws(StoreError) {
            try pack.read(into: bytes, at: UInt64(runStart))
        } catch {
            guard ContentStore.mayHaveAnotherCopy(error) else { throw error }
            return try readSingly(leaves, scratch, &statistics)
        }
        statistics.storedBytes += UInt64(bytes.count)
        var start = leaves.startIndex
        while start < leaves.endIndex {
            let place = leaves[start].place
            var next = start + 1
            while next < leaves.endIndex, leaves[next].place == place { next += 1 }
            let frame = bytes.part(min(leaves[start].offset - runStart, bytes.count), 0)
            let rest = bytes.count - min(leaves[start].offset - runStart, bytes.count)
            let stored = UnsafeRawBufferPointer(start: frame.baseAddress, count: rest)
            if try !deliver(leaves[start..<next], from: stored, scratch, &statistics) {
                // Damaged, or an index that is wrong: perhaps there is another copy.
                try readSingly(leaves[start..<next], scratch, &statistics)
            }
            start = next
        }
    }

    /// Delivers the leaves that one frame holds; false, with nothing delivered, when the frame is not sound or does not hold them.
    private func deliver(
        _ leaves: ArraySlice<Wanted>, from bytes: UnsafeRawBufferPointer, _ scratch: ReadScratch,
        _ statistics: inout BulkReadStatistics
    ) throws -> Bool {
        guard let frame = FrameView(bytes), let stored = frame.checkedBytes() else { return false }
        // The number in the frame of each leaf; the next one is mostly that after the one before.
        var objects: [Int] = []
        objects.reserveCapacity(leaves.count)
        for leaf in leaves {
            let guess = (objects.last ?? -1) + 1
            let object: Int
            if guess < frame.count, frame.digest(of: guess) == leaf.digest {
                object = guess
            } else {
                guard let found = frame.index(of: leaf.digest) else { return false }
                object = found
            }
            guard frame.isLeaf(object, size: shape.leafSize) else { return false }
            objects.append(object)
        }
        let plain: UnsafeRawBufferPointer
        var isDelivered = false
        if let target = wholeDestination(of: frame, leaves, objects) {
            guard frame.codec.decode(stored, into: target, with: scratch.codec) else { return false }
            plain = UnsafeRawBufferPointer(target)
            isDelivered = true
        } else if let uncompressed = frame.plainBytes(in: stored) {
            plain = uncompressed
        } else {
            let target = scratch.plain.bytes(frame.plainLength)
            guard frame.codec.decode(stored, into: target, with: scratch.codec) else { return false }
            plain = UnsafeRawBufferPointer(target)
        }
        if options.checksDigests {
            for (leaf, object) in zip(leaves, objects) {
                guard Digest(of: plain.part(frame.start(of: object), shape.leafSize)) == leaf.digest else {
                    return false
                }
            }
        }
        statistics.frames += 1
        var index = 0
        while index < objects.count {
            // Neighbours in the frame that are neighbours in the tree are one piece.
            var count = 1
            while index + count < objects.count, objects[index + count] == objects[index] + count,
                leaves[leaves.startIndex + index + count].leaf == leaves[leaves.startIndex + index].leaf + UInt64(count)
            {
                count += 1
            }
            let piece = plain.part(frame.start(of: objects[index]), count * shape.leafSize)
            try deliver(leaves[leaves.startIndex + index].leaf, piece, isDelivered, &statistics)
            index += count
        }
        return true
    }

    /// Where a frame can be decoded at once: when all of it is wanted, once, in order, and within the range.
    private func wholeDestination(
        of frame: FrameView, _ leaves: ArraySlice<Wanted>, _ objects: [Int]
    ) -> UnsafeMutableRawBufferPointer? {
        guard let first = leaves.first, objects.count == frame.count, frame.plainLength == frame.count * shape.leafSize
        else { return nil }
        for (number, (leaf, object)) in zip(leaves, objects).enumerated() {
            guard object == number, leaf.leaf == first.leaf + UInt64(number) else { return nil }
        }
        let offset = first.leaf << shape.leafBits
        guard offset >= range.lowerBound, offset + UInt64(frame.plainLength) <= range.upperBound else { return nil }
        return sink.destination(offset, frame.plainLength)
    }

    /// Delivers leaves that lie one after the other, as far as they are in the range.
    private func deliver(
        _ leaf: UInt64, _ bytes: UnsafeRawBufferPointer, _ isDelivered: Bool, _ statistics: inout BulkReadStatistics
    ) throws {
        let start = leaf << shape.leafBits
        let from = max(start, range.lowerBound)
        let end = min(start + UInt64(bytes.count), range.upperBound)
        if !isDelivered { try sink.deliver(from, bytes.part(Int(from - start), Int(end - from))) }
        statistics.bytes += end - from
        statistics.leaves += UInt64(bytes.count / shape.leafSize)
    }

    /// Delivers leaves one by one, from whichever copy is sound.
    private func readSingly(
        _ leaves: ArraySlice<Wanted>, _ scratch: ReadScratch, _ statistics: inout BulkReadStatistics
    ) throws {
        for leaf in leaves {
            let target = scratch.plain.bytes(shape.leafSize)
            try store.readCheckedLeaf(leaf.digest, into: target)
            statistics.frames += 1
            try deliver(leaf.leaf, UnsafeRawBufferPointer(target), false, &statistics)
        }
    }
}

extension BulkReader.Wanted {
    /// Where its frame begins in the pack.
    var offset: Int { Int(place & 0xFFFF_FFFF) }
}
