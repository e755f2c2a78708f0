/// Whether all that a commit needs is in `packs/`: known from before, or found out by walking. See <doc:Format#Epochs>.
extension ContentStore {
    /// Remembers that an object has all it needs, as of an epoch that was read before that became known.
    func noteComplete(_ digest: Digest, in epoch: CollectionEpoch) {
        guard epoch.isStable, let number = epoch.number, number > 0 else { return }
        complete.withLock { $0.insert(number, for: digest, cost: 1) }
    }

    /// Whether an object that is in `packs/` is known to have all it needs.
    func isKnownComplete(_ digest: Digest, in epoch: CollectionEpoch) -> Bool {
        guard epoch.isStable, let number = epoch.number else { return false }
        if number == 0 { return true }
        return complete.withLock { $0.value(for: digest) } == number
    }

    /// Remembers the trees of a commit that has all it needs.
    func noteTrees(of commit: Commit, _ digest: Digest) {
        let known = complete.withLock { $0.value(for: digest) }
        guard let known else { return }
        for root in commit.trees.values {
            if let top = root.digest { noteComplete(top, in: CollectionEpoch(number: known)) }
        }
        for blob in commit.blobs.values { noteComplete(blob, in: CollectionEpoch(number: known)) }
    }

    /// Whether a pack in the trash holds an object.
    func isInTrash(_ digest: Digest) throws(StoreError) -> Bool {
        try trashCatalog().catalog.contains(digest)
    }

    /// Makes sure that a commit has all it needs, taking packs out of the trash where they have it. The caller holds the lock of the
    /// refs.
    ///
    /// - Parameter present: what refs that are being changed name now.
    func requireComplete(_ commits: [Digest], present: [Digest]) throws(StoreError) {
        var epoch = try epoch()
        if !epoch.isStable {
            // Nobody moves packs while this process holds the lock: a collection died.
            try makeTrash()
            epoch = CollectionEpoch(number: try endEpoch())
        }
        var rest: [Digest] = []
        for commit in commits where !present.contains(commit) {
            if isKnownComplete(commit, in: epoch), try contains(commit) { continue }
            rest.append(commit)
        }
        if !rest.isEmpty, epoch != .none {
            // One that is damaged proves nothing.
            let named = Set(try refEntries().compactMap { try? $0.value.get() })
            rest.removeAll { named.contains($0) }
        }
        guard !rest.isEmpty else { return }
        var check = try CompletenessCheck(self)
        for commit in rest {
            try check.requireCommit(commit)
            noteComplete(commit, in: epoch)
        }
    }
}

/// One walk over all that some commits need.
struct CompletenessCheck {
    private let store: ContentStore
    private var catalog: Catalog
    private var trash: (catalog: Catalog, files: [Digest: TrashFile])?
    private var nodes: Set<Digest> = []
    private var blobs: Set<Digest> = []
    /// Commits of which the history was followed. Each is a blob as well.
    private var ancestors: Set<Digest> = []

    init(_ store: ContentStore) throws(StoreError) {
        self.store = store
        catalog = try store.keeper.reload()
    }

    mutating func requireCommit(_ digest: Digest) throws(StoreError) {
        let commit = try commit(digest)
        for root in commit.trees.values {
            guard let top = root.digest else { continue }
            let shape = TreeShape(root.kind)
            try requireNode(top, shape, shape.topLevel(root.length))
        }
        for blob in commit.blobs.values { try requireBlob(blob) }
        var rest = commit.parents
        while let ancestor = rest.popLast() {
            guard ancestors.insert(ancestor).inserted else { continue }
            rest += try self.commit(ancestor).parents
        }
    }

    private mutating func commit(_ digest: Digest) throws(StoreError) -> Commit {
        try requireBlob(digest)
        return try store.commit(digest)
    }

    private mutating func requireBlob(_ digest: Digest) throws(StoreError) {
        try require(digest)
        guard blobs.insert(digest).inserted else { return }
        let object = try store.object(digest)
        guard object.isIndirect, let list = PartList(parsing: object.bytes.span.bytes) else { return }
        for part in list.parts { try require(part) }
    }

    private mutating func requireNode(_ digest: Digest, _ shape: TreeShape, _ level: Int) throws(StoreError) {
        guard nodes.insert(digest).inserted else { return }
        try require(digest)
        for child in try store.node(digest, shape: shape, level: level).digests {
            if level == 0 { try require(child) } else { try requireNode(child, shape, level - 1) }
        }
    }

    /// Finds an object in `packs/`, or brings it back there.
    private mutating func require(_ digest: Digest) throws(StoreError) {
        if catalog.contains(digest) { return }
        if trash == nil { trash = try store.trashCatalog() }
        for place in trash?.catalog.places(of: digest) ?? [] {
            guard let file = trash?.files[place.pack] else { continue }
            try store.resurrect([file])
            catalog = try store.keeper.catalog()
            return
        }
        throw StoreError(
            .notFound,
            "object \(digest.short) was collected, so what needs it cannot be named again; store it once more",
            path: store.path)
    }
}
