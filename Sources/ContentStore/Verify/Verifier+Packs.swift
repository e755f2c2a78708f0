extension Verifier {
    /// Reads every pack from start to end.
    mutating func verifyPacks() throws(StoreError) {
        let ids = catalog.packs.sorted()
        for id in ids {
            if let pack = try? PackFile(store.layout.pack(id), in: store.fileSystem) { totalBytes += pack.size }
        }
        for id in ids {
            tell()
            let pack: PackFile
            do throws(StoreError) {
                pack = try PackFile(store.layout.pack(id), in: store.fileSystem)
            } catch {
                // Deleted since it was listed; what needed it is reported where it is needed.
                if error.code == .notFound { continue }
                add(Damage(kind: .pack, pack: id, message: error.description))
                continue
            }
            report.packs += 1
            try verify(pack, id)
        }
        tell()
    }

    private mutating func verify(_ pack: PackFile, _ id: Digest) throws(StoreError) {
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
        var isIndexed = true
        for place in places {
            guard let header = try verify(pack, id, place) else { continue }
            found += UInt32(header.records.count)
            report.objects += UInt64(header.records.count)
            for record in header.records where isIndexed {
                isIndexed = catalog.places(of: record.digest).contains { $0.pack == id && $0.offset == place.offset }
                if !isIndexed {
                    add(
                        Damage(
                            kind: .index, object: record.digest, pack: id, offset: UInt64(place.offset),
                            message: "no index knows an object of this pack; delete `indexes` to have them made again"))
                }
            }
        }
        if let objects, report.damage.count == before, objects != found {
            add(
                Damage(kind: .pack, pack: id, message: "the pack has \(found) objects and not \(objects) as it says"))
        }
        report.bytes += pack.size
        if level == .deep, report.damage.count == before, try digest(of: pack) != id {
            add(Damage(kind: .pack, pack: id, message: "the pack is sound but has another digest than its name"))
        }
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

    /// Checks one frame; nil when it cannot be read.
    private mutating func verify(
        _ pack: PackFile, _ id: Digest, _ place: FramePlace
    ) throws(StoreError) -> FrameHeader? {
        let key = ContentStore.FrameKey(pack: id, offset: place.offset)
        do throws(StoreError) {
            let stored = try pack.frame(at: UInt64(place.offset), sizeHint: Int(place.size))
            guard stored.header.frameSize == Int(place.size) else {
                throw pack.damage("a frame has another size than the frame table says", at: UInt64(place.offset))
            }
            guard level == .deep else { return stored.header }
            guard let frame = Frame(stored) else {
                throw pack.damage("a frame does not decode", at: UInt64(place.offset))
            }
            for (number, record) in frame.records.enumerated() where !frame.isSound(number) {
                badObjects[key, default: []].insert(record.digest)
                add(
                    Damage(
                        kind: .object, object: record.digest, pack: id, offset: UInt64(place.offset),
                        message: "the object does not have its digest"))
            }
            return stored.header
        } catch {
            guard error.code == .damaged || error.code == .io else { throw error }
            badFrames.insert(key)
            add(Damage(kind: .pack, pack: id, offset: UInt64(place.offset), message: error.description))
            return nil
        }
    }

    private func digest(of pack: PackFile) throws(StoreError) -> Digest {
        let hasher = SHA256Hasher()
        let buffer = ByteBuffer(count: 1 << 20)
        var position: UInt64 = 0
        while position < pack.size {
            let count = Int(min(UInt64(buffer.bytes.count), pack.size - position))
            try pack.read(into: buffer.bytes.part(0, count), at: position)
            hasher.update(UnsafeRawBufferPointer(buffer.bytes.part(0, count)))
            position += UInt64(count)
        }
        return hasher.finish()
    }
}

extension Frame {
    /// Whether object `index` is what its record says. A list of parts must be one; its parts are checked where they are.
    func isSound(_ index: Int) -> Bool {
        guard let range = object(index) else { return false }
        guard records[index].isIndirect else { return true }
        let list = Array(bytes[range])
        return PartList(parsing: list.span.bytes) != nil
    }
}
