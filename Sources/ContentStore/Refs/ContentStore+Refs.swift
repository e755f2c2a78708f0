extension ContentStore {
    /// The commit that a ref names, or nil when there is no such ref.
    package func ref(_ name: String) throws(StoreError) -> Digest? {
        try ref(name, in: epoch())
    }

    /// - Parameter epoch: the epoch, read before.
    func ref(_ name: String, in epoch: CollectionEpoch) throws(StoreError) -> Digest? {
        let path = "\(layout.refs)/\(try RefName.fileName(name))"
        let bytes: [UInt8]
        do throws(StoreError) {
            bytes = try FileDescriptor.contents(of: path, limit: 4096, in: fileSystem)
        } catch {
            guard error.code == .notFound else { throw error }
            // No ref, or no store any more.
            _ = try storeEntries(of: layout.locks, in: fileSystem)
            return nil
        }
        guard
            let text = SealedText.open(bytes, context: Array(name.utf8)), text.starts(with: "digest ".utf8),
            let digest = Digest(hex: String(decoding: text.dropFirst(7), as: UTF8.self))
        else {
            throw StoreError(
                .damaged, "ref \(name) is damaged; the operation log of the store says what it was", path: path)
        }
        noteComplete(digest, in: epoch)
        return digest
    }

    /// All refs whose name starts with `prefix`, by name.
    package func refs(prefix: String = "") throws(StoreError) -> [(name: String, digest: Digest)] {
        var refs: [(name: String, digest: Digest)] = []
        let epoch = try epoch()
        for name in try refNames() where name.utf8.starts(with: prefix.utf8) {
            // One that was removed since is left out.
            if let digest = try ref(name, in: epoch) { refs.append((name, digest)) }
        }
        return refs
    }

    /// The names of all refs, sorted by their bytes. The refs are not read.
    func refNames() throws(StoreError) -> [String] {
        let files = try storeEntries(of: layout.refs, in: fileSystem)
        return files.compactMap { RefName.name(inFile: $0) }.sorted {
            $0.utf8.lexicographicallyPrecedes($1.utf8)
        }
    }
}
