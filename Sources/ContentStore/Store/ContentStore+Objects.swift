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
        // Nearly always the first place is the only one, and good.
        if let place = catalog.firstPlace(of: digest) {
            do throws(StoreError) {
                return try body(place)
            } catch {
                try excuse(error, at: place)
            }
        }
        var attempt = 0
        while attempt < 4 {
            var isPackGone = false
            for place in catalog.places(of: digest) {
                do throws(StoreError) {
                    return try body(place)
                } catch {
                    try excuse(error, at: place)
                    // The pack is gone, or this copy cannot be read: there may be another.
                    if error.code == .notFound { isPackGone = true } else { failure = error }
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

    /// Throws the error on, unless it is one of this copy only, and another may be good.
    private func excuse(_ error: StoreError, at place: ObjectPlace) throws(StoreError) {
        guard ContentStore.mayHaveAnotherCopy(error) else { throw error }
        // Should the pack be replaced by a sound one, that one is to be opened.
        if error.code != .notFound { openPacks.withLock { $0.remove(place.pack) } }
    }

    /// Whether an error is one of a pack: gone, or damaged.
    static func mayHaveAnotherCopy(_ error: StoreError) -> Bool {
        switch error.code {
        case .notFound, .damaged, .io: true
        default: false
        }
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
        let key = FrameKey(place)
        if let frame = frames.withLock({ $0.value(for: key) }) { return frame }
        return try flights.alone(key) { () throws(StoreError) in
            // Another thread may have decoded it meanwhile.
            if let frame = frames.withLock({ $0.value(for: key) }) { return frame }
            let frame = try scratches.with { scratch throws(StoreError) in
                let view = try self.frame(at: place, into: scratch)
                guard let stored = view.checkedBytes() else {
                    throw damage(place, "the bytes of the frame are damaged")
                }
                guard let frame = Frame(view, stored: stored, with: scratch.codec) else {
                    throw damage(place, "a frame does not decode")
                }
                return frame
            }
            frames.withLock { $0.insert(frame, for: key) }
            return frame
        }
    }

    /// Reads a frame, whose stored bytes are still to be checked; valid until the scratch is used again.
    func frame(at place: ObjectPlace, into scratch: ReadScratch) throws(StoreError) -> FrameView {
        try pack(place.pack).frame(at: UInt64(place.offset), sizeHint: place.sizeHint, into: scratch.stored)
    }

    func damage(_ place: ObjectPlace, _ what: String) -> StoreError {
        StoreError(
            .damaged, "\(what) at offset \(place.offset) of a pack; `store verify` lists what is affected",
            path: layout.pack(place.pack))
    }

    func notInFrame(_ digest: Digest, _ place: ObjectPlace) -> StoreError {
        damage(place, "an index points to a frame that has no object \(digest.short),")
    }

    /// Finds an object in a frame and checks its digest.
    func object(
        _ digest: Digest, in frame: Frame, at place: ObjectPlace
    ) throws(StoreError) -> (range: Range<Int>, isIndirect: Bool) {
        guard let index = frame.index(of: digest) else { throw notInFrame(digest, place) }
        guard let range = frame.object(index) else {
            throw damage(place, "object \(digest.short) does not have its digest in the frame")
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

    /// A node of a tree, which is to be of this shape and level.
    func node(_ digest: Digest, shape: TreeShape, level: Int) throws(StoreError) -> TreeNode {
        if let node = nodes.withLock({ $0.value(for: digest) }), node.level == level, node.shape == shape {
            return node
        }
        let node = try withPlaces(of: digest) { place throws(StoreError) in
            let frame = try frame(at: place)
            let (range, isIndirect) = try object(digest, in: frame, at: place)
            let parsed = frame.bytes.withUnsafeBytes { bytes in
                TreeNode(parsing: bytes.part(range.lowerBound, range.count).bytes, shape: shape, level: level)
            }
            guard !isIndirect, let node = parsed else {
                throw StoreError(
                    .damaged, "object \(digest.short) is in use as a node of a \(shape.kind) tree, which it is not",
                    path: path)
            }
            return node
        }
        nodes.withLock { $0.insert(node, for: digest, cost: node.cost) }
        return node
    }
}
