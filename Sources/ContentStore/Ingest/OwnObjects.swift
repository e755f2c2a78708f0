/// The objects that an ingest has written and no reader knows yet.
struct OwnObjects {
    /// Objects in frames that are still being collected.
    var open: Set<Digest> = []
    /// Indexes of packs that are whole: mapped files, but for the last one or two.
    private(set) var indexes: [IndexFile] = []
    private(set) var packs: [Digest: StagedPack] = [:]
    /// Packs in the order they were made.
    private(set) var order: [StagedPack] = []

    /// Whether an object is in a pack that is whole.
    func contains(_ digest: Digest) -> Bool {
        indexes.contains { $0.firstIndex(of: digest) != nil }
    }

    /// The pack and frame of an object in a pack that is whole.
    func place(of digest: Digest) -> (pack: StagedPack, place: FramePlace)? {
        for index in indexes {
            guard let position = index.firstIndex(of: digest) else { continue }
            let entry = index[position]
            guard let pack = packs[index.packs[Int(entry.pack)].id] else { continue }
            return (pack, FramePlace(offset: entry.offset, size: UInt32(entry.units) * 64))
        }
        return nil
    }

    mutating func add(_ pack: StagedPack, _ index: IndexFile) {
        packs[pack.pack.id] = pack
        order.append(pack)
        indexes.append(index)
    }

    /// Merges indexes so that few are to be searched and none is in the heap for long.
    mutating func mergeIndexes(_ store: ContentStore, temporaryName: String) throws(StoreError) {
        var first = indexes.count
        var entries = 0
        var packs = 0
        for position in indexes.indices.reversed() {
            packs += indexes[position].packs.count
            if packs > IndexFile.maximumPacks { break }
            if entries > 0 && indexes[position].count < 2 * entries { first = position }
            entries += max(indexes[position].count, 1)
        }
        guard first < indexes.count - 1 else { return }
        let path = store.layout.temporary(temporaryName)
        let file = try TemporaryFile(
            named: path, in: store.layout.temporary, mode: store.layout.fileMode, fileSystem: store.fileSystem)
        // The mapping keeps the file when it is closed.
        guard let merged = try file.merge(Array(indexes[first...]), wanted: { _ in true }) else { return }
        indexes.replaceSubrange(first..., with: [merged.file])
    }
}
