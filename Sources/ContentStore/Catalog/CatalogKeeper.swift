import Glibc
import Synchronization

/// Keeps the catalog of a store up to date, and its indexes in repair.
final class CatalogKeeper: Sendable {
    let layout: StoreLayout
    let fileSystem: any FileSystem
    private let state = Mutex<Catalog?>(nil)
    /// Indexes of packs in the trash, which nobody needs on disk; 32 MB at most.
    private let trashIndexes = Mutex(LRUCache<Digest, IndexFile>(limit: 32 << 20))

    init(layout: StoreLayout, fileSystem: any FileSystem) {
        self.layout = layout
        self.fileSystem = fileSystem
    }

    /// The catalog, loaded when it is first needed.
    func catalog() throws(StoreError) -> Catalog {
        if let catalog = state.withLock({ $0 }) { return catalog }
        return try reload()
    }

    /// Looks at the directories again. Packs without an index are indexed.
    @discardableResult
    func reload() throws(StoreError) -> Catalog {
        let old = state.withLock { $0 }
        return try replace(try load(reusing: old, distrusting: []))
    }

    /// Checks the CRC of every index not checked before, and indexes the packs of bad ones again.
    ///
    /// - Returns: the new catalog, or nil when all indexes were sound and this one is as good as it gets.
    func repair(_ catalog: Catalog) throws(StoreError) -> Catalog? {
        guard catalog.indexes.contains(where: { !$0.isChecked }) else { return nil }
        let bad = catalog.indexes.filter { !$0.isChecked && !$0.file.isSound() }
        if bad.isEmpty {
            let files = catalog.indexes.map { ($0.file, $0.name, true) }
            try replace(Catalog(packs: catalog.packs, files: files))
            return nil
        }
        return try replace(try load(reusing: catalog, distrusting: Set(bad.compactMap(\.name))))
    }

    /// Looks at the directories again, and checks every index not checked before: for whoever deletes or moves by what they say. Reading
    /// finds out by itself when an index is wrong.
    func checkedCatalog() throws(StoreError) -> Catalog {
        var catalog = try reload()
        // What is new after a repair was not checked either.
        while let repaired = try repair(catalog) { catalog = repaired }
        return catalog
    }

    /// The indexes on disk that are damaged, also those that no look-up uses because of it.
    func damagedIndexes() throws(StoreError) -> [Digest] {
        var damaged: [Digest] = []
        for fileName in try names(in: layout.indexes) {
            guard let name = StoreLayout.digest(inName: fileName, suffix: StoreLayout.indexSuffix) else { continue }
            do throws(StoreError) {
                if try !open(name).isSound() { damaged.append(name) }
            } catch {
                if error.code == .damaged { damaged.append(name) }
            }
        }
        return damaged.sorted()
    }

    /// Deletes damaged indexes, best effort.
    func discardIndexes(_ names: [Digest]) {
        if !names.isEmpty { _ = keep([], replacing: Set(names)) }
    }

    /// Indexes all packs again, from their own bytes, and deletes the indexes there were.
    func rebuildIndexes() throws(StoreError) {
        let names = Set(try catalog().indexes.compactMap(\.name))
        try replace(try load(reusing: nil, distrusting: names))
    }

    @discardableResult
    private func replace(_ catalog: Catalog) throws(StoreError) -> Catalog {
        state.withLock { $0 = catalog }
        return catalog
    }

    func names(in directory: String) throws(StoreError) -> [String] {
        try storeEntries(of: directory, in: fileSystem)
    }

    /// - Parameter distrusting: indexes that are known to be bad: they are deleted.
    private func load(reusing old: Catalog?, distrusting bad: Set<Digest>) throws(StoreError) -> Catalog {
        var known: [Digest: Catalog.Index] = [:]
        for index in old?.indexes ?? [] {
            if let name = index.name, !bad.contains(name) { known[name] = index }
        }
        // Indexes are listed before packs: a pack is published before its index, so what an index covers is then in the list.
        var attempt = 0
        while true {
            attempt += 1
            var files: [(file: IndexFile, name: Digest?, isChecked: Bool)] = []
            var broken = bad
            for fileName in try names(in: layout.indexes) {
                guard let name = StoreLayout.digest(inName: fileName, suffix: StoreLayout.indexSuffix),
                    !bad.contains(name)
                else { continue }
                if let index = known[name] {
                    files.append((index.file, name, index.isChecked))
                    continue
                }
                do throws(StoreError) {
                    files.append((try open(name), name, false))
                } catch {
                    // Not found: somebody merged it just now.
                    guard error.code == .damaged || error.code == .notFound else { throw error }
                    if error.code == .damaged { broken.insert(name) }
                }
            }
            // Indexes in memory stay of use until one on disk covers their packs.
            for index in old?.indexes ?? [] where index.name == nil { files.append((index.file, nil, true)) }
            let packs = Set(
                try names(in: layout.packs).compactMap {
                    StoreLayout.digest(inName: $0, suffix: StoreLayout.packSuffix)
                })
            let catalog = Catalog(packs: packs, files: files)
            if catalog.uncovered.isEmpty && broken.isEmpty { return catalog }
            // An ingest may have been between its packs and its index just now.
            if attempt == 1 && !catalog.uncovered.isEmpty { continue }
            return try indexAgain(catalog, broken: broken)
        }
    }

    private func open(_ name: Digest) throws(StoreError) -> IndexFile {
        let file = try FileDescriptor(layout.index(name), flags: O_RDONLY, in: fileSystem, "opening an index")
        guard let index = IndexFile(try StableBytes(mapping: file)) else {
            throw StoreError(.damaged, "the file is no index", path: file.path)
        }
        return index
    }

    /// Indexes the packs that no index covers, and deletes indexes that are no indexes.
    private func indexAgain(_ catalog: Catalog, broken: Set<Digest>) throws(StoreError) -> Catalog {
        var files = catalog.indexes.map { ($0.file, $0.name, $0.isChecked) }
        var fresh: [IndexFile] = []
        var broken = broken
        func keepFresh() {
            if let merged = keep(fresh, replacing: broken) {
                files.append((merged.file, merged.name, true))
            } else {
                for file in fresh { files.append((file, nil, true)) }
            }
            fresh.removeAll()
            broken.removeAll()
        }
        for id in catalog.uncovered {
            do throws(StoreError) {
                let (index, isFinal) = try indexOfPack(id, path: layout.pack(id))
                if isFinal { fresh.append(index) } else { files.append((index, nil, true)) }
            } catch {
                // Deleted meanwhile.
                guard error.code == .notFound else { throw error }
            }
            // Some 40 MB at a time.
            if fresh.reduce(0, { $0 + $1.count }) > 1_000_000 || fresh.count == IndexFile.maximumPacks { keepFresh() }
        }
        if !fresh.isEmpty || !broken.isEmpty { keepFresh() }
        return Catalog(packs: catalog.packs, files: files)
    }

    /// Makes the index of a pack from the pack.
    ///
    /// - Returns: the index, and whether it is as good as it gets: not when the disk could not read all that is needed for it, which it may
    ///   the next time.
    private func indexOfPack(_ id: Digest, path: String) throws(StoreError) -> (index: IndexFile, isFinal: Bool) {
        let pack = try PackFile(path, in: fileSystem)
        let contents = try pack.contents()
        let entries = contents.entries.map { IndexEntry(digest: $0.digest, place: $0.place, pack: 0) }
        let index = try IndexFile.build(pack: IndexedPack(id: id, size: pack.size), entries: entries)
        return (index, contents.damage?.code != .io)
    }

    /// The index of a pack in the trash: made when it is first asked for, and kept while it is asked for again.
    func trashIndex(_ id: Digest, path: String) throws(StoreError) -> IndexFile {
        if let index = trashIndexes.withLock({ $0.value(for: id) }) { return index }
        let index = try indexOfPack(id, path: path).index
        trashIndexes.withLock { $0.insert(index, for: id, cost: index.size) }
        return index
    }

    /// Publishes indexes just made as one, best effort: a reader may have no right to write, or the disk may be full.
    private func keep(_ fresh: [IndexFile], replacing broken: Set<Digest>) -> (file: IndexFile, name: Digest)? {
        do throws(StoreError) {
            let lock = try openLock()
            guard try lock.lock(exclusive: true, wait: false) else { return nil }
            for name in broken { try? fileSystem.unlink(layout.index(name)) }
            guard !fresh.isEmpty else { return nil }
            return try publish(
                fresh, wanted: { _ in true }, temporaryName: CatalogKeeper.temporaryPrefix + StoreLayout.uniqueName())
        } catch {
            return nil
        }
    }

    /// The file of the lock of the indexes.
    func openLock() throws(StoreError) -> FileDescriptor {
        try FileDescriptor(
            layout.indexesLock, flags: O_RDWR | O_CREAT, mode: layout.fileMode, in: fileSystem,
            "opening the lock of the indexes")
    }

    /// How files in `tmp/` begin that are written under the lock of the indexes.
    static let temporaryPrefix = "index-"

    /// Deletes what a process left in `tmp/` that died while it held the lock of the indexes.
    func sweep(_ files: [String]) {
        guard
            let lock = try? openLock(), let isFree = try? lock.lock(exclusive: true, wait: false), isFree
        else { return }
        for file in files where file.hasPrefix(CatalogKeeper.temporaryPrefix) {
            try? fileSystem.unlink(layout.temporary(file))
        }
    }
}
