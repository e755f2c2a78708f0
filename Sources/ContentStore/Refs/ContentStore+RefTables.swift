/// Tables of refs. See <doc:Format#Tables-of-refs>.
extension ContentStore {
    /// The table of a group, and its digest; nil when the group has none.
    func table(of group: String) throws(StoreError) -> (digest: Digest, table: RefTable)? {
        for _ in 0..<8 {
            guard case .table(let digest) = try refFile(group) else { return nil }
            if let table = try table(digest) { return (digest, table) }
            // Replaced and collected since the ref was read.
        }
        throw StoreError(
            .damaged,
            "the table of the refs \(group)* is missing; the operation log of the store says what they were",
            path: layout.ref(try RefName.fileName(group)))
    }

    /// A table by its digest; nil when it was collected.
    func table(_ digest: Digest) throws(StoreError) -> RefTable? {
        if let known = tables.withLock({ $0.value(for: digest) }) { return known }
        let path = layout.table(digest)
        let bytes: [UInt8]
        do throws(StoreError) {
            bytes = try FileDescriptor.contents(of: path, limit: RefTable.limit, in: fileSystem)
        } catch {
            guard error.code == .notFound else { throw error }
            return nil
        }
        guard bytes.withUnsafeBytes({ Digest(of: $0) }) == digest, let table = RefTable(parsing: bytes) else {
            throw StoreError(
                .damaged, "a table of refs is damaged; the operation log of the store says what they were", path: path)
        }
        tables.withLock { $0.insert(table, for: digest, cost: bytes.count) }
        return table
    }

    /// An operation with each change of a table replaced by the changes of the refs in it. One whose tables were collected stays as
    /// it is: it is too old to be undone.
    func expanded(_ operation: Operation) throws(StoreError) -> Operation {
        guard operation.changes.contains(where: \.isTable) else { return operation }
        var result = operation
        result.changes = operation.changes.filter { !$0.isTable }
        // What the operation says of a name by itself holds.
        let own = Set(result.changes.map { Array($0.ref.utf8) })
        for change in operation.changes where change.isTable {
            guard let old = try entries(change.old), let new = try entries(change.new) else {
                result.changes.append(change)
                continue
            }
            var values: [[UInt8]: (old: Digest?, new: Digest?)] = [:]
            for entry in old { values[entry.name] = (entry.commit, nil) }
            for entry in new { values[entry.name, default: (nil, nil)].new = entry.commit }
            for (name, value) in values.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
                let name = Array(change.ref.utf8) + name
                if own.contains(name) || value.old == value.new { continue }
                result.changes.append(
                    Operation.Change(
                        ref: String(decoding: name, as: UTF8.self), old: value.old, new: value.new,
                        applied: change.applied))
            }
        }
        return result
    }

    /// The refs in a table; none when there is no table, nil when it was collected.
    private func entries(_ digest: Digest?) throws(StoreError) -> [RefTable.Entry]? {
        guard let digest else { return [] }
        return try table(digest)?.entries
    }

    /// Deletes tables that neither a group nor one of the last operations names. The caller holds the lock of the refs.
    ///
    /// - Parameter keepOperations: how many of the last operations can still be undone.
    func sweepTables(keepOperations: Int) throws(StoreError) {
        var needed: Set<Digest> = []
        for name in try storeEntries(of: layout.refs, in: fileSystem).compactMap({ RefName.name(inFile: $0) })
        where RefGroup.isGroup(name) {
            // Of a group that cannot be read nobody knows what it needs.
            guard case .table(let digest)? = try? refFile(name) else { return }
            needed.insert(digest)
        }
        let files = try operationFileNames()
        let last = Set(files.compactMap { ContentStore.operationNumber(inFile: $0) }).sorted().suffix(keepOperations)
        for file in files {
            guard let number = ContentStore.operationNumber(inFile: file), let first = last.first, number >= first,
                let operation = try? self.operation(inFile: file)
            else { continue }
            for change in operation.changes where change.isTable {
                needed.formUnion([change.old, change.new].compactMap { $0 })
            }
        }
        let present = (try? storeEntries(of: layout.tables, in: fileSystem)) ?? []
        for name in present {
            guard let digest = Digest(hex: name), digest.hex == name, !needed.contains(digest) else { continue }
            try? fileSystem.unlink(layout.table(digest))
        }
    }
}
