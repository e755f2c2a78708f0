/// An object read whole: its digest was checked, unless it is a list of parts.
struct StoredObject: Sendable {
    var bytes: [UInt8]
    var isIndirect: Bool
}

extension ContentStore {
    /// Whether some pack holds the object, according to the indexes.
    package func contains(_ digest: Digest) throws(StoreError) -> Bool {
        let catalog = try keeper.catalog()
        if catalog.contains(digest) { return true }
        return try keeper.reload().contains(digest)
    }

    /// Runs `body` with each place of an object in turn until it succeeds.
    ///
    /// When none does, the directories are looked at again (another process may have added a pack), then the indexes are checked and
    /// repaired, before the object counts as lost.
    func withPlaces<Result>(
        of digest: Digest, _ body: (ObjectPlace) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        var failure: StoreError?
        var catalog = try keeper.catalog()
        var attempt = 0
        while attempt < 4 {
            var isPackGone = false
            for place in catalog.places(of: digest) {
                do throws(StoreError) {
                    return try body(place)
                } catch {
                    switch error.code {
                    // The pack is gone, or this copy cannot be read: there may be another.
                    case .notFound: isPackGone = true
                    case .damaged, .io:
                        failure = error
                        // Should the pack be replaced by a sound one, that one is to be opened.
                        openPacks.withLock { $0.remove(place.pack) }
                    default: throw error
                    }
                }
            }
            if isPackGone || attempt == 0 {
                // A collection moves packs now and then; each time the object is in another one already.
                let packs = catalog.packs
                catalog = try keeper.reload()
                if isPackGone && packs != catalog.packs { continue }
            } else if attempt == 1 {
                // Nobody keeps it, but it may not have been deleted yet.
                catalog = try trashCatalog().catalog
            } else if attempt == 2 {
                guard let repaired = try keeper.repair(try keeper.catalog()) else { break }
                catalog = repaired
            }
            attempt += 1
        }
        throw failure
            ?? StoreError(
                .notFound, "the store has no object \(digest.short); `store verify` lists what needs it", path: path)
    }

    /// A pack, kept open.
    func pack(_ id: Digest) throws(StoreError) -> PackFile {
        if let pack = openPacks.withLock({ $0.value(for: id) }) { return pack }
        let pack = try openPack(id)
        openPacks.withLock { $0.insert(pack, for: id, cost: 1) }
        return pack
    }

    /// A decoded frame, from the cache or its pack.
    func frame(at place: ObjectPlace) throws(StoreError) -> Frame {
        let key = FrameKey(pack: place.pack, offset: place.offset)
        if let frame = frames.withLock({ $0.value(for: key) }) { return frame }
        let pack = try pack(place.pack)
        guard let frame = Frame(try pack.frame(at: UInt64(place.offset), sizeHint: place.sizeHint)) else {
            throw pack.damage("a frame does not decode", at: UInt64(place.offset))
        }
        frames.withLock { $0.insert(frame, for: key, cost: frame.bytes.count + 512) }
        return frame
    }

    /// Finds an object in a frame and checks its digest.
    func object(
        _ digest: Digest, in frame: Frame, at place: ObjectPlace
    ) throws(StoreError) -> (range: Range<Int>, isIndirect: Bool) {
        guard let index = frame.index(of: digest) else {
            throw StoreError(
                .damaged, "an index points to a frame at offset \(place.offset) that has no object \(digest.short)",
                path: layout.pack(place.pack))
        }
        guard let range = frame.object(index) else {
            throw StoreError(
                .damaged, "object \(digest.short) in the frame at offset \(place.offset) does not have its digest",
                path: layout.pack(place.pack))
        }
        return (range, frame.records[index].isIndirect)
    }

    /// Reads an object whole.
    func object(_ digest: Digest) throws(StoreError) -> StoredObject {
        try withPlaces(of: digest) { place throws(StoreError) in
            let frame = try frame(at: place)
            let (range, isIndirect) = try object(digest, in: frame, at: place)
            return StoredObject(bytes: Array(frame.bytes[range]), isIndirect: isIndirect)
        }
    }

    /// Copies part of a leaf. The caller guarantees that the part lies within a leaf of `leafSize` bytes.
    func readLeaf(
        _ digest: Digest, leafSize: Int, from offset: Int, into target: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        try withPlaces(of: digest) { place throws(StoreError) in
            // A whole chunk goes straight to its place: it would only push other things out of the cache.
            if target.count == leafSize, leafSize == FrameHeader.usualPlainLength,
                try readChunk(digest, at: place, into: target)
            {
                return
            }
            let frame = try frame(at: place)
            let (range, isIndirect) = try object(digest, in: frame, at: place)
            guard !isIndirect, range.count == leafSize else {
                throw StoreError(
                    .damaged, "object \(digest.short) is in use as a leaf of \(leafSize) bytes, which it is not",
                    path: layout.pack(place.pack))
            }
            frame.bytes.withUnsafeBytes { bytes in
                target.copyMemory(from: bytes.part(range.lowerBound + offset, target.count))
            }
        }
    }

    /// Decodes a frame that holds nothing but this chunk; false when it holds other things too.
    private func readChunk(
        _ digest: Digest, at place: ObjectPlace, into target: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> Bool {
        let pack = try pack(place.pack)
        let stored = try pack.frame(at: UInt64(place.offset), sizeHint: place.sizeHint)
        guard
            stored.header.records.count == 1, let record = stored.header.records.first, record.digest == digest,
            !record.isIndirect, record.length == target.count
        else { return false }
        guard stored.decode(into: target) else {
            throw pack.damage("a frame does not decode", at: UInt64(place.offset))
        }
        guard Digest(of: UnsafeRawBufferPointer(target)) == digest else {
            throw pack.damage("object \(digest.short) does not have its digest in the frame", at: UInt64(place.offset))
        }
        return true
    }

    /// A node of a tree, which is to be of this shape and level.
    func node(_ digest: Digest, shape: TreeShape, level: Int) throws(StoreError) -> TreeNode {
        if let node = nodes.withLock({ $0.value(for: digest) }), node.level == level, node.shape == shape {
            return node
        }
        let object = try object(digest)
        guard !object.isIndirect, let node = TreeNode(parsing: object.bytes.span.bytes, shape: shape, level: level)
        else {
            throw StoreError(
                .damaged, "object \(digest.short) is in use as a node of a \(shape.kind) tree, which it is not",
                path: path)
        }
        nodes.withLock { $0.insert(node, for: digest, cost: node.cost) }
        return node
    }
}
