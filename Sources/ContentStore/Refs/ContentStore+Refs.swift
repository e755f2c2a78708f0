extension ContentStore {
    /// The commit that a ref names, or nil when there is no such ref.
    package func ref(_ name: String) throws(StoreError) -> Digest? {
        try ref(name, in: epoch())
    }

    /// - Parameter epoch: the epoch, read before.
    func ref(_ name: String, in epoch: CollectionEpoch) throws(StoreError) -> Digest? {
        guard let digest = try present(name) else { return nil }
        noteComplete(digest, in: epoch)
        return digest
    }

    private func present(_ name: String) throws(StoreError) -> Digest? {
        switch try refFile(name) {
        case .commit(let digest): return digest
        case .removed, .table: return nil
        case nil:
            if let group = RefGroup.of(name), let table = try table(of: group) {
                return table.table[RefGroup.remainder(name, in: group)]
            }
            // No ref, or no store any more.
            _ = try storeEntries(of: layout.locks, in: fileSystem)
            return nil
        }
    }

    /// What the file of a name says; nil when there is none.
    func refFile(_ name: String) throws(StoreError) -> RefFile? {
        let path = layout.ref(try RefName.fileName(name))
        let bytes: [UInt8]
        do throws(StoreError) {
            bytes = try FileDescriptor.contents(of: path, limit: 4096, in: fileSystem)
        } catch {
            guard error.code == .notFound else { throw error }
            return nil
        }
        guard let file = RefFile(bytes, of: name) else {
            throw StoreError(
                .damaged, "ref \(name) is damaged; the operation log of the store says what it was", path: path)
        }
        return file
    }

    /// All refs whose name starts with `prefix`, by name.
    package func refs(prefix: String = "") throws(StoreError) -> [(name: String, digest: Digest)] {
        var refs: [(name: String, digest: Digest)] = []
        for (name, value) in try refEntries(prefix: prefix) { refs.append((name, try value.get())) }
        return refs
    }

    /// The names of all refs, sorted by their bytes. A table that cannot be read appears by the name of its group.
    func refNames() throws(StoreError) -> [String] {
        try refEntries().map(\.name)
    }

    /// All refs whose name starts with `prefix`, sorted by the bytes of their names, with what is wrong with those that cannot be read.
    /// In place of the refs of a table that cannot be read stands their group.
    func refEntries(
        prefix: String = ""
    ) throws(StoreError) -> [(name: String, value: Result<Digest, StoreError>)] {
        var entries: [(name: String, value: Result<Digest, StoreError>)] = []
        let epoch = try epoch()
        let names = try storeEntries(of: layout.refs, in: fileSystem).compactMap { RefName.name(inFile: $0) }
        // By their bytes, as their files are: strings are equal when they only look the same.
        var own: Set<[UInt8]> = []
        for name in names where name.utf8.starts(with: prefix.utf8) && !RefGroup.isGroup(name) {
            own.insert(Array(name.utf8))
            do throws(StoreError) {
                // One that was removed since is left out.
                if let digest = try ref(name, in: epoch) { entries.append((name, .success(digest))) }
            } catch {
                entries.append((name, .failure(error)))
            }
        }
        for group in names
        where RefGroup.isGroup(group) && (group.utf8.starts(with: prefix.utf8) || prefix.utf8.starts(with: group.utf8))
        {
            do throws(StoreError) {
                for entry in try table(of: group)?.table.entries ?? [] {
                    let name = Array(group.utf8) + entry.name
                    guard name.starts(with: prefix.utf8), !own.contains(name) else { continue }
                    noteComplete(entry.commit, in: epoch)
                    entries.append((String(decoding: name, as: UTF8.self), .success(entry.commit)))
                }
            } catch {
                entries.append((group, .failure(error)))
            }
        }
        return entries.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }
}
