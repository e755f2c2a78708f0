/// Follows roots to all they need.
struct Marker {
    private let store: ContentStore
    private let toleratesDamage: Bool
    private let progress: (CollectProgress) -> Void
    var live: LiveSet
    /// Commits marked with all they need.
    private var commits: Set<Digest> = []
    /// Commit objects marked as history.
    private var ancestors: Set<Digest> = []
    private var blobs: Set<Digest> = []
    private var pins: Set<Digest> = []
    /// Nodes marked that were stored after the catalog was read.
    private var newNodes: Set<Digest> = []
    private var trash: (catalog: Catalog, files: [Digest: TrashFile])?
    /// Packs in the trash that hold needed objects.
    private(set) var neededTrash: Set<TrashFile> = []
    /// Objects that operations, pins or the history would need and that are gone.
    private(set) var missing: Set<Digest> = []
    private var told: UInt64 = 0

    /// Whether what is missing is an error.
    private enum Demand {
        case strict(String)
        case lenient
    }

    private enum Found {
        case position(LiveSet.Position)
        /// In a pack that is not in the catalog: newer, or in the trash.
        case elsewhere
        case nowhere
    }

    init(
        _ store: ContentStore, _ catalog: Catalog, preferred: Set<Digest>, toleratesDamage: Bool,
        progress: @escaping (CollectProgress) -> Void
    ) {
        self.store = store
        self.toleratesDamage = toleratesDamage
        self.progress = progress
        live = LiveSet(catalog, preferred: preferred)
    }

    /// Marks what is not marked yet.
    mutating func mark(_ roots: Roots) throws(StoreError) {
        for root in roots.refs { try markCommit(root.commit, .strict("ref \(root.name)")) }
        for commit in roots.operations { try markCommit(commit, .lenient) }
        for pin in roots.pins { try markPin(pin) }
        tell(always: true)
    }

    /// Whether all these pins were followed.
    func covers(_ pins: [Digest]) -> Bool { self.pins.isSuperset(of: pins) }

    private mutating func tell(always: Bool = false) {
        guard always || live.liveCount >= told + 100_000 else { return }
        told = live.liveCount
        progress(CollectProgress(phase: .marking, done: told, total: 0))
    }

    // MARK: Objects

    /// Marks one object.
    private mutating func mark(_ digest: Digest, _ demand: Demand) throws(StoreError) -> Found {
        if let position = live.insert(digest) { return .position(position) }
        if try store.keeper.catalog().contains(digest) { return .elsewhere }
        if trash == nil { trash = try store.trashCatalog() }
        if let place = trash?.catalog.places(of: digest).first, let file = trash?.files[place.pack] {
            neededTrash.insert(file)
            return .elsewhere
        }
        // Stored since the catalog was read last, or really gone.
        if try store.contains(digest) { return .elsewhere }
        if case .strict(let root) = demand, !toleratesDamage {
            throw Roots.refusal(
                StoreError(.notFound, "no pack has object \(digest.short)", path: store.path), "\(root) is not whole")
        }
        missing.insert(digest)
        return .nowhere
    }

    /// Reads something of a needed object; nil when it cannot be read and need not be.
    private mutating func read<Value>(
        _ digest: Digest, _ demand: Demand, _ body: () throws(StoreError) -> Value
    ) throws(StoreError) -> Value? {
        do throws(StoreError) {
            return try body()
        } catch {
            guard error.code == .damaged || error.code == .notFound else { throw error }
            if toleratesDamage { return nil }
            // Damage is never passed over: what the object names would be deleted, and repairing it would be of no use then.
            switch demand {
            case .strict(let root): throw Roots.refusal(error, "\(root) needs object \(digest.short)")
            case .lenient where error.code == .damaged:
                throw Roots.refusal(
                    error,
                    "an operation or a lease needs object \(digest.short) (keep fewer operations to give it up)")
            case .lenient: return nil
            }
        }
    }

    // MARK: Commits and blobs

    private mutating func markCommit(_ digest: Digest, _ demand: Demand) throws(StoreError) {
        guard commits.insert(digest).inserted else { return }
        guard let commit = try markCommitObject(digest, demand) else { return }
        for (name, root) in commit.trees {
            guard let top = root.digest else { continue }
            let shape = TreeShape(root.kind)
            var inner = demand
            if case .strict(let text) = demand { inner = .strict("tree \(name) of \(text)") }
            try markNode(top, shape, shape.topLevel(root.length), inner)
        }
        for blob in commit.blobs.values { try markBlob(blob, demand) }
        var rest = commit.parents
        while let ancestor = rest.popLast() {
            guard ancestors.insert(ancestor).inserted else { continue }
            // A history may be cut off, by a bundle for instance.
            rest += try markCommitObject(ancestor, .lenient)?.parents ?? []
        }
    }

    private mutating func markCommitObject(_ digest: Digest, _ demand: Demand) throws(StoreError) -> Commit? {
        try markBlob(digest, demand)
        if missing.contains(digest) { return nil }
        let store = store
        return try read(digest, demand) { () throws(StoreError) in try store.commit(digest) }
    }

    private mutating func markBlob(_ digest: Digest, _ demand: Demand) throws(StoreError) {
        guard blobs.insert(digest).inserted else { return }
        if case .nowhere = try mark(digest, demand) { return }
        let store = store
        let object = try read(digest, demand) { () throws(StoreError) in try store.object(digest) }
        guard let object, object.isIndirect, let list = PartList(parsing: object.bytes.span.bytes) else { return }
        for part in list.parts { _ = try mark(part, demand) }
    }

    /// Marks what a pin needs, as a commit, a tree and a blob.
    private mutating func markPin(_ digest: Digest) throws(StoreError) {
        guard pins.insert(digest).inserted else { return }
        try markBlob(digest, .lenient)
        guard !missing.contains(digest) else { return }
        let store = store
        let object = try read(digest, .lenient) { () throws(StoreError) in try store.object(digest) }
        guard let object, !object.isIndirect else { return }
        if Commit(canonicalBytes: object.bytes) != nil { try markCommit(digest, .lenient) }
        guard object.bytes.count > 7 else { return }
        for kind in TreeKind.allCases {
            let shape = TreeShape(kind)
            let level = Int(object.bytes[6])
            if TreeNode(parsing: object.bytes.span.bytes, shape: shape, level: level) != nil {
                try markNode(digest, shape, level, .lenient)
            }
        }
    }

    // MARK: Trees

    private mutating func markNode(
        _ digest: Digest, _ shape: TreeShape, _ level: Int, _ demand: Demand
    ) throws(StoreError) {
        switch try mark(digest, demand) {
        case .position(let position):
            guard live.expand(position) else { return }
        case .elsewhere:
            guard newNodes.insert(digest).inserted else { return }
        case .nowhere:
            return
        }
        let store = store
        let node = try read(digest, demand) { () throws(StoreError) in
            try store.node(digest, shape: shape, level: level)
        }
        guard let node else { return }
        for child in node.digests {
            if level == 0 {
                _ = try mark(child, demand)
            } else {
                try markNode(child, shape, level - 1, demand)
            }
        }
        tell()
    }
}
