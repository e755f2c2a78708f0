// Publishing indexes, and keeping them few.
extension CatalogKeeper {
    /// Publishes indexes: as one, unless they are of more packs than an index has room for.
    ///
    /// - Parameter temporaryName: the name in `tmp/`; further ones have `.1` and so on after it.
    func publishAll(_ sources: [IndexFile], temporaryName: String) throws(StoreError) {
        for (number, group) in IndexFile.groups(sources).enumerated() {
            _ = try publish(
                group, wanted: { _ in true },
                temporaryName: number == 0 ? temporaryName : "\(temporaryName).\(number)")
        }
    }

    /// Merges indexes into a file in `indexes/`; returns when it is durable.
    func publish(
        _ sources: [IndexFile], wanted: (Digest) -> Bool, temporaryName: String
    ) throws(StoreError) -> (file: IndexFile, name: Digest)? {
        let spare = layout.temporary(temporaryName)
        var file = try TemporaryFile(
            named: spare, in: layout.indexes, mode: layout.fileMode, fileSystem: fileSystem)
        guard let merged = try file.merge(sources, wanted: wanted) else { return nil }
        try file.descriptor.synchronize(dataOnly: true)
        try file.publish(as: layout.index(merged.name), spare: spare)
        try FileDescriptor.synchronizeDirectory(layout.indexes, in: fileSystem)
        return merged
    }

    /// Merges small indexes, so that each is at least twice as large as all smaller ones together.
    ///
    /// Skipped when another process is at it. What fails here costs nothing but speed, so it is not reported.
    func mergeIndexes() {
        do throws(StoreError) {
            guard CatalogKeeper.choice(try catalog().indexes) != nil else { return }
            let lock = try openLock()
            guard try lock.lock(exclusive: true, wait: false) else { return }
            let catalog = try reload()
            guard let first = CatalogKeeper.choice(catalog.indexes) else { return }
            let chosen = catalog.indexes[first...]
            guard chosen.allSatisfy({ $0.isChecked || $0.file.isSound() }) else { return }
            let merged = try publish(
                chosen.map(\.file), wanted: { catalog.packs.contains($0) },
                temporaryName: CatalogKeeper.temporaryPrefix + StoreLayout.uniqueName())
            for index in chosen {
                // What was in memory only, or merged into the same bytes, stays.
                guard let name = index.name, name != merged?.name else { continue }
                try? fileSystem.unlink(layout.index(name))
            }
            try reload()
        } catch {
            return
        }
    }

    /// Deletes indexes that are of no use any more, and writes those again of which a quarter is for packs that are gone.
    ///
    /// Skipped when another process works on indexes. What fails here costs nothing but speed, so it is not reported.
    func compactIndexes() {
        do throws(StoreError) {
            let lock = try openLock()
            guard try lock.lock(exclusive: true, wait: false) else { return }
            // Names first: the packs of an index are there before it, so what the catalog leaves out of these is for packs that are
            // gone or that another index covers.
            let names = try names(in: layout.indexes).compactMap {
                StoreLayout.digest(inName: $0, suffix: StoreLayout.indexSuffix)
            }
            let catalog = try reload()
            let used = Set(catalog.indexes.compactMap(\.name))
            for name in names where !used.contains(name) { try? fileSystem.unlink(layout.index(name)) }
            for index in catalog.indexes {
                guard let name = index.name, index.isLive.contains(false), index.isMostlyWaste else { continue }
                guard index.isChecked || index.file.isSound() else { continue }
                let live = Set(zip(index.file.packs, index.isLive).filter(\.1).map(\.0.id))
                let fresh = try publish(
                    [index.file], wanted: { live.contains($0) },
                    temporaryName: CatalogKeeper.temporaryPrefix + StoreLayout.uniqueName())
                if let fresh, fresh.name != name { try? fileSystem.unlink(layout.index(name)) }
            }
            try reload()
        } catch {
            return
        }
    }

    /// Which indexes to merge: all from this position on.
    private static func choice(_ indexes: [Catalog.Index]) -> Int? {
        var entries = 0
        var packs = 0
        var first: Int?
        for (position, index) in indexes.enumerated().reversed() {
            packs += index.file.packs.count
            if packs > IndexFile.maximumPacks { break }
            if entries > 0 && index.file.count < 2 * entries { first = position }
            entries += max(index.file.count, 1)
        }
        return first
    }
}

extension TemporaryFile {
    /// Writes a merged index to the file and maps it; nil when nothing is wanted.
    func merge(
        _ sources: [IndexFile], wanted: (Digest) -> Bool
    ) throws(StoreError) -> (file: IndexFile, name: Digest)? {
        let raw = descriptor.raw
        let path = descriptor.path
        let fileSystem = descriptor.fileSystem
        let name = try IndexFile.merge(sources, wanted: wanted) { bytes, offset throws(StoreError) in
            try FileDescriptor.write(bytes, to: raw, at: offset, path: path, fileSystem: fileSystem)
        }
        guard let name else { return nil }
        guard let file = IndexFile(try StableBytes(mapping: descriptor)) else {
            throw StoreError(.io, "an index just written reads back wrong", path: path)
        }
        return (file, name)
    }
}
