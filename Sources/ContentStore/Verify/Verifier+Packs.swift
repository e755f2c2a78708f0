extension Verifier {
    /// Reads every pack of the part from start to end.
    mutating func verifyPacks() throws(StoreError) {
        let ids = catalog.packs.filter { subset?.contains($0) ?? true }.sorted()
        for id in ids {
            if let pack = try? PackFile(store.layout.pack(id), in: store.fileSystem) { totalBytes += pack.size }
        }
        for id in ids {
            tell()
            try verifyPack(id)
        }
        tell()
    }

    mutating func verify(_ pack: PackFile, _ id: Digest) throws(StoreError) {
        let before = report.damage.count
        var places: [FramePlace] = []
        var objects: UInt32?
        do throws(StoreError) {
            let table = try pack.frameTable()
            places = table.places
            objects = table.objects
        } catch {
            add(Damage(kind: .pack, pack: id, message: error.description))
            // What is left of it: frames that an index knows, or that a walk from the start finds.
            var seen: Set<FramePlace> = []
            for entry in try pack.contents().entries where seen.insert(entry.place).inserted {
                places.append(entry.place)
            }
            markUnreadable(pack, id, except: Set(places.map(\.offset)))
        }
        var found: UInt32 = 0
        for start in stride(from: 0, to: places.count, by: Verifier.batch) {
            let part = Array(places[start..<min(start + Verifier.batch, places.count)])
            found += try verify(pack, id, part)
        }
        if let objects, report.damage.count == before, objects != found {
            add(
                Damage(kind: .pack, pack: id, message: "the pack has \(found) objects and not \(objects) as it says"))
        }
        report.bytes += pack.size
        if level == .deep, report.damage.count == before, try pack.digest() != id {
            add(Damage(kind: .pack, pack: id, message: "the pack is sound but has another digest than its name"))
        }
    }

    /// How many frames are checked at a time.
    private static let batch = 64

    /// Checks some frames, on all cores for the level `deep`; returns how many objects were found.
    private mutating func verify(
        _ pack: PackFile, _ id: Digest, _ places: [FramePlace]
    ) throws(StoreError) -> UInt32 {
        func read(_ index: Int) throws(StoreError) -> StoredFrame {
            let place = places[index]
            let stored = try pack.frame(at: UInt64(place.offset), sizeHint: min(Int(place.size), 1 << 20))
            // A place that comes from an index or a walk may not tell the exact size; one of the table does.
            guard stored.header.frameSize == Int(place.size) else {
                throw pack.damage("a frame has another size than the frame table says", at: UInt64(place.offset))
            }
            return stored
        }
        var found: UInt32 = 0
        if level == .deep {
            let results = try CheckedFrame.check(places.count, read)
            for (place, result) in zip(places, results) {
                let key = ContentStore.FrameKey(pack: id, offset: place.offset)
                switch result {
                case .success(.some(let frame)):
                    found += UInt32(frame.records.count)
                    if !frame.hasSoundPieces { try note(wrongPieces(pack, place), key) }
                    for (number, record) in frame.records.enumerated() where !frame.isSound[number] {
                        badObjects[key, default: []].insert(record.digest)
                        add(
                            Damage(
                                kind: .object, object: record.digest, pack: id, offset: UInt64(place.offset),
                                message: "the object does not have its digest"))
                    }
                    check(frame.records, id, place)
                case .success(nil):
                    try note(pack.damage("a frame does not decode", at: UInt64(place.offset)), key)
                case .failure(let error):
                    try note(error, key)
                }
            }
        } else {
            for (index, place) in places.enumerated() {
                do throws(StoreError) {
                    let frame = try read(index)
                    found += UInt32(frame.header.records.count)
                    check(frame.header.records, id, place)
                    if !frame.hasSoundPieces() { throw wrongPieces(pack, place) }
                } catch {
                    try note(error, ContentStore.FrameKey(pack: id, offset: place.offset))
                }
            }
        }
        return found
    }

    private func wrongPieces(_ pack: PackFile, _ place: FramePlace) -> StoreError {
        pack.damage("the table of the pieces of a frame is wrong", at: UInt64(place.offset))
    }

    /// Counts the objects of a frame, and sees to it that an index knows them.
    private mutating func check(_ records: [ObjectRecord], _ id: Digest, _ place: FramePlace) {
        report.objects += UInt64(records.count)
        for record in records where !unindexed.contains(id) {
            if catalog.places(of: record.digest).contains(where: { $0.pack == id && $0.offset == place.offset }) {
                continue
            }
            // Twice in one pack: an index has it once.
            if catalog.places(of: record.digest).contains(where: { $0.pack == id }) { continue }
            unindexed.insert(id)
            add(
                Damage(
                    kind: .index, object: record.digest, pack: id, offset: UInt64(place.offset),
                    message: "no index knows an object of this pack; `store verify --repair` has indexes made again"))
        }
    }

    /// Notes a frame that cannot be read.
    private mutating func note(_ error: StoreError, _ key: ContentStore.FrameKey) throws(StoreError) {
        guard error.code == .damaged || error.code == .io else { throw error }
        badFrames.insert(key)
        add(Damage(kind: .pack, pack: key.pack, offset: UInt64(key.offset), message: error.description))
    }

    /// Marks what indexes know of a pack beyond the frames that are still found.
    private mutating func markUnreadable(_ pack: PackFile, _ id: Digest, except found: Set<UInt32>) {
        for index in catalog.indexes {
            guard let number = index.file.packs.firstIndex(where: { $0.id == id }), index.isLive[number] else {
                continue
            }
            for position in 0..<index.file.count {
                let entry = index.file[position]
                guard Int(entry.pack) == number, !found.contains(entry.offset) else { continue }
                // It may still be whole behind the damage.
                let isReadable =
                    (try? pack.frame(at: UInt64(entry.offset), sizeHint: Int(entry.units) * 64)) != nil
                if !isReadable { badFrames.insert(ContentStore.FrameKey(pack: id, offset: entry.offset)) }
            }
        }
    }
}

extension PackFile {
    /// The SHA-256 of the whole file.
    func digest() throws(StoreError) -> Digest {
        let hasher = SHA256Hasher()
        let buffer = ByteBuffer(count: 1 << 20)
        var position: UInt64 = 0
        while position < size {
            let count = Int(min(UInt64(buffer.bytes.count), size - position))
            try read(into: buffer.bytes.part(0, count), at: position)
            hasher.update(UnsafeRawBufferPointer(buffer.bytes.part(0, count)))
            position += UInt64(count)
        }
        return hasher.finish()
    }
}
