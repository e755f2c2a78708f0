import Glibc

/// A pack in `trash/`.
struct TrashFile: Hashable, Sendable {
    /// The odd epoch in which it was moved there.
    var epoch: UInt64
    var pack: Digest

    var name: String { "\(ContentStore.operationFileName(epoch)).\(pack.hex)\(StoreLayout.packSuffix)" }

    init(epoch: UInt64, pack: Digest) {
        self.epoch = epoch
        self.pack = pack
    }

    /// Takes a file name apart; nil for any other file.
    init?(name: String) {
        let parts = name.split(separator: ".", maxSplits: 1)
        guard
            parts.count == 2, let epoch = UInt64(parts[0]), epoch < 1 << 62,
            let pack = StoreLayout.digest(inName: String(parts[1]), suffix: StoreLayout.packSuffix)
        else { return nil }
        self.init(epoch: epoch, pack: pack)
        guard self.name == name else { return nil }
    }
}

extension ContentStore {
    /// The packs in the trash, the oldest first.
    func trashFiles() throws(StoreError) -> [TrashFile] {
        let layout = layout
        let fileSystem = fileSystem
        do throws(StoreError) {
            return try calling("listing the trash", path: layout.trash) { () throws(SystemCallError) in
                try fileSystem.entries(of: layout.trash)
            }.compactMap { TrashFile(name: $0) }.sorted { ($0.epoch, $0.pack) < ($1.epoch, $1.pack) }
        } catch {
            guard error.code == .notFound else { throw error }
            return []
        }
    }

    func trashPath(_ file: TrashFile) -> String { "\(layout.trash)/\(file.name)" }

    /// Opens a pack: in `packs/`, or in the trash, where a collection may just have moved it.
    func openPack(_ id: Digest) throws(StoreError) -> PackFile {
        do throws(StoreError) {
            return try PackFile(layout.pack(id), in: fileSystem)
        } catch {
            guard error.code == .notFound else { throw error }
            for file in try trashFiles() where file.pack == id {
                do throws(StoreError) {
                    return try PackFile(trashPath(file), in: fileSystem)
                } catch {
                    guard error.code == .notFound else { throw error }
                }
            }
            // It may have been moved back between the two looks.
            return try PackFile(layout.pack(id), in: fileSystem)
        }
    }

    /// Makes the directory of the trash in a store that has none.
    func makeTrash() throws(StoreError) {
        do {
            try fileSystem.makeDirectory(layout.trash, mode: layout.directoryMode)
        } catch {
            guard error.number == EEXIST else { throw StoreError(error, "making the trash", path: layout.trash) }
            return
        }
        try FileDescriptor.synchronizeDirectory(layout.root, in: fileSystem)
    }

    /// Moves packs to the trash. The caller holds the lock of the refs and knows that nothing needs them.
    func moveToTrash(_ packs: [Digest]) throws(StoreError) {
        guard !packs.isEmpty else { return }
        let epoch = try beginEpoch()
        let fileSystem = fileSystem
        do throws(StoreError) {
            for pack in packs {
                let source = layout.pack(pack)
                let target = trashPath(TrashFile(epoch: epoch, pack: pack))
                do throws(StoreError) {
                    try calling("moving a pack to the trash", path: source) { () throws(SystemCallError) in
                        try fileSystem.rename(source, to: target)
                    }
                } catch {
                    // Somebody took it away by hand.
                    guard error.code == .notFound else { throw error }
                }
                // Its space is to be free when it is deleted.
                openPacks.withLock { $0.remove(pack) }
            }
            try FileDescriptor.synchronizeDirectory(layout.trash, in: fileSystem)
            try FileDescriptor.synchronizeDirectory(layout.packs, in: fileSystem)
        } catch {
            // What was moved stays moved; the epoch tells everybody that something was.
            _ = try? endEpoch()
            throw error
        }
        try endEpoch()
        try keeper.reload()
    }

    /// Moves packs back to `packs/`; they are there durably when this returns. The caller holds the lock of the refs.
    func resurrect(_ files: [TrashFile]) throws(StoreError) {
        guard !files.isEmpty else { return }
        let fileSystem = fileSystem
        for file in files {
            let source = trashPath(file)
            let target = layout.pack(file.pack)
            try calling("taking a pack out of the trash", path: source) { () throws(SystemCallError) in
                try fileSystem.rename(source, to: target)
            }
        }
        try FileDescriptor.synchronizeDirectory(layout.packs, in: fileSystem)
        try keeper.reload()
    }

    /// What is in the trash, as a catalog of its own. Its indexes are made for it from the packs: this is rarely needed.
    func trashCatalog() throws(StoreError) -> (catalog: Catalog, files: [Digest: TrashFile]) {
        var files: [Digest: TrashFile] = [:]
        var indexes: [(file: IndexFile, name: Digest?, isChecked: Bool)] = []
        for file in try trashFiles() where files[file.pack] == nil {
            do throws(StoreError) {
                indexes.append((try keeper.trashIndex(file.pack, path: trashPath(file)), nil, true))
                files[file.pack] = file
            } catch {
                guard error.code == .notFound else { throw error }
            }
        }
        return (Catalog(packs: Set(files.keys), files: indexes), files)
    }
}
