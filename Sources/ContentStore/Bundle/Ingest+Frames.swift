extension Ingest {
    /// An object of this ingest or of the store, or the list of the parts of a long blob.
    func object(_ digest: Digest) throws(StoreError) -> StoredObject {
        let frame = try guarded { () throws(StoreError) in try ownFrame(digest) }
        guard let frame else { return try store.object(digest) }
        guard let index = frame.index(of: digest), let range = frame.object(index) else {
            throw StoreError(.damaged, "object \(digest.short), just written, reads back wrong")
        }
        return StoredObject(bytes: Array(frame.bytes[range]), isIndirect: frame.records[index].isIndirect)
    }

    /// Adds a frame that was checked, less what is there already.
    ///
    /// - Parameter wanted: whether object `index` of the frame is to be added at all.
    /// - Returns: how many objects were new.
    @discardableResult
    func add(
        _ frame: CheckedFrame, wanted: (Int) -> Bool = { _ in true }
    ) throws(StoreError) -> Int {
        try guarded { () throws(StoreError) in
            var fresh: [Int] = []
            var seen: Set<Digest> = []
            var freshBytes = 0
            for (index, record) in frame.records.enumerated() {
                guard wanted(index), frame.isSound[index], !contains(record.digest),
                    seen.insert(record.digest).inserted
                else { continue }
                fresh.append(index)
                freshBytes += record.length
            }
            guard !fresh.isEmpty else { return 0 }
            stored.newBytes += UInt64(freshBytes)
            // A pack of very many tiny objects would take much memory until it is closed.
            if let entries = writer?.entries.count, entries > Ingest.maximumEntries { try sealPack() }
            if fresh.count == frame.records.count, frame.hasSoundPieces {
                try frame.withStoredBytes { bytes throws(StoreError) in try append(bytes, frame.records) }
                return fresh.count
            }
            for index in fresh { try add(object: index, of: frame) }
            return fresh.count
        }
    }

    private static let maximumEntries = 200_000

    private func add(object index: Int, of frame: CheckedFrame) throws(StoreError) {
        let record = frame.records[index]
        try frame.withObject(index) { bytes throws(StoreError) in try addObject(bytes, record) }
    }

    /// Puts an object that is not there yet into a frame of its kind. Its bytes were checked.
    func addObject(_ bytes: UnsafeRawBufferPointer, _ record: ObjectRecord) throws(StoreError) {
        if record.length == TreeShape(.disk).leafSize, !record.isIndirect {
            var single = FrameBuilder(.chunks)
            single.append(bytes, record)
            try sealFrame(&single)
        } else if record.length == TreeShape(.memory).leafSize, !record.isIndirect {
            if !pages.fits(bytes.count) { try sealFrame(&pages) }
            pages.append(bytes, record)
            own.open.insert(record.digest)
        } else {
            try put(bytes, record.digest, isIndirect: record.isIndirect)
        }
    }
}

extension Ingest: ObjectReader {}

/// Finds the lengths of objects from the headers of their frames, of an ingest whose packs are staged and of its store.
final class RecordLengths {
    private let ingest: Ingest
    /// The pack and the frame read last: what is asked for next is often there too.
    private var pack: (id: Digest, file: PackFile)?
    private var header: FrameHeader?

    init(_ ingest: Ingest) {
        self.ingest = ingest
    }

    func length(of digest: Digest) throws(StoreError) -> (length: Int, isIndirect: Bool) {
        if let record = header?.records.first(where: { $0.digest == digest }) {
            return (record.length, record.isIndirect)
        }
        if let (staged, place) = ingest.own.place(of: digest) {
            if pack?.id != staged.pack.id {
                guard let path = staged.path else {
                    throw StoreError(.invalid, "an ingest is not staged: this is a defect of the store")
                }
                pack = (staged.pack.id, try PackFile(path, in: ingest.store.fileSystem))
            }
            guard let file = pack?.file else { return (0, false) }
            return try find(digest, try file.frameHeader(at: UInt64(place.offset)))
        }
        return try ingest.store.withPlaces(of: digest) { place throws(StoreError) in
            try find(digest, try ingest.store.pack(place.pack).frameHeader(at: UInt64(place.offset)))
        }
    }

    private func find(_ digest: Digest, _ found: FrameHeader) throws(StoreError) -> (length: Int, isIndirect: Bool) {
        guard let record = found.records.first(where: { $0.digest == digest }) else {
            throw StoreError(.damaged, "an index points to a frame without object \(digest.short)")
        }
        header = found
        return (record.length, record.isIndirect)
    }
}
