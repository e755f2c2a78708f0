/// Puts the objects of trees into fresh packs, in the order in which they are read.
struct TreeLayout {
    private let store: ContentStore
    private let fresh: FreshPacks
    /// Copies everything, whatever its order.
    private let copiesAll: Bool
    private let encodesAnew: Bool
    private let toleratedJumps: Int
    private let tell: (UInt64) -> Void
    /// What was looked at: one bit for each entry of the indexes. Nodes are `expanded`.
    private var seen: LiveSet
    private var copied: LiveSet
    private(set) var trees = 0
    private(set) var jumps: UInt64 = 0
    private(set) var objects: UInt64 = 0
    /// Bytes of the frames that copied objects were in, in proportion.
    private(set) var bytes: UInt64 = 0

    init(
        _ store: ContentStore, _ catalog: Catalog, _ fresh: FreshPacks, copiesAll: Bool, encodesAnew: Bool,
        toleratedJumps: Int, tell: @escaping (UInt64) -> Void
    ) {
        self.store = store
        self.fresh = fresh
        self.copiesAll = copiesAll
        self.encodesAnew = encodesAnew
        self.toleratedJumps = toleratedJumps
        self.tell = tell
        seen = LiveSet(catalog, preferred: [])
        copied = seen
    }

    /// Lays out the trees of a commit, and its blobs if all is to be copied.
    mutating func add(_ digest: Digest) throws(StoreError) {
        let commit = try store.commit(digest)
        for (_, root) in commit.trees.sorted(by: { $0.key < $1.key }) {
            guard let top = root.digest else { continue }
            trees += 1
            let shape = TreeShape(root.kind)
            var nodes: [Digest] = []
            try visit(top, shape, shape.topLevel(root.length), &nodes)
            let nodeJumps = jumps(nodes)
            jumps += UInt64(nodeJumps)
            // Nodes are few and small: when they lie about, all of the tree go together.
            if copiesAll || nodeJumps - nodes.count / 16 > toleratedJumps {
                for node in nodes { try copy(node, .small) }
            }
        }
        guard copiesAll else { return }
        for blob in commit.blobs.values.sorted() { try copyBlob(blob) }
        try copyBlob(digest)
    }

    private mutating func visit(
        _ digest: Digest, _ shape: TreeShape, _ level: Int, _ nodes: inout [Digest]
    ) throws(StoreError) {
        guard let position = seen.position(of: digest) else {
            // Stored after this began.
            return
        }
        guard seen.expand(position) else { return }
        nodes.append(digest)
        let node = try store.node(digest, shape: shape, level: level)
        if level > 0 {
            for child in node.digests { try visit(child, shape, level - 1, &nodes) }
            return
        }
        let leafJumps = jumps(node.digests)
        jumps += UInt64(leafJumps)
        guard copiesAll || leafJumps > toleratedJumps else { return }
        var rest = node.digests[...]
        while let leaf = rest.first {
            let count = try copyFrame(rest)
            if count == 0 { try copy(leaf, shape.kind == .disk ? .chunks : .pages) }
            rest = rest.dropFirst(max(count, 1))
        }
    }

    /// How often reading these objects one after the other goes to another pack, back, or over more than a few frames.
    private func jumps(_ digests: [Digest]) -> Int {
        let gap: UInt64 = 1 << 18
        var count = 0
        var last: (pack: Digest, start: UInt64, end: UInt64)?
        for digest in digests {
            guard let position = seen.position(of: digest) else { continue }
            let entry = seen.catalog.indexes[position.index].file[position.entry]
            let pack = seen.pack(position)
            let start = UInt64(entry.offset)
            if let last, pack != last.pack || start < last.start || start > last.end + gap { count += 1 }
            last = (pack, start, start + UInt64(entry.units) * 64)
        }
        return count
    }

    private mutating func copyBlob(_ digest: Digest) throws(StoreError) {
        let object = try store.object(digest)
        if object.isIndirect, let list = PartList(parsing: object.bytes.span.bytes) {
            for part in list.parts { try copy(part, .chunks) }
        }
        try copy(digest, .small)
    }

    /// Copies an object that was not copied yet.
    private mutating func copy(_ digest: Digest, _ content: FrameContent) throws(StoreError) {
        guard let position = copied.position(of: digest), copied.expand(position) else { return }
        let entry = copied.catalog.indexes[position.index].file[position.entry]
        let place = ObjectPlace(
            pack: copied.pack(position), offset: entry.offset, sizeHint: Int(entry.units) * 64)
        objects += 1
        let record: ObjectRecord
        do throws(StoreError) {
            let frame = try store.frame(at: place)
            let (range, isIndirect) = try store.object(digest, in: frame, at: place)
            record = ObjectRecord(digest: digest, length: range.count, isIndirect: isIndirect)
            bytes += UInt64(Int(entry.units) * 64 / max(frame.records.count, 1))
            try frame.bytes.withBytes { bytes throws(StoreError) in
                try fresh.append(bytes.part(range.lowerBound, range.count), record, content)
            }
        } catch {
            guard error.code == .damaged || error.code == .notFound else { throw error }
            // Another copy, or none, which ends the whole.
            let object = try store.object(digest)
            let record = ObjectRecord(digest: digest, length: object.bytes.count, isIndirect: object.isIndirect)
            try object.bytes.withBytes { bytes throws(StoreError) in try fresh.append(bytes, record, content) }
        }
        tell(bytes)
    }

    /// Copies a frame as it is, if it holds just the first of these leaves, in their order, and none was copied yet.
    ///
    /// - Returns: how many leaves were copied.
    private mutating func copyFrame(_ leaves: ArraySlice<Digest>) throws(StoreError) -> Int {
        guard
            !encodesAnew, let first = leaves.first, let position = copied.position(of: first),
            !copied.isExpanded(position)
        else { return 0 }
        let entry = copied.catalog.indexes[position.index].file[position.entry]
        guard
            let stored = try? store.pack(copied.pack(position)).frame(
                at: UInt64(entry.offset), sizeHint: Int(entry.units) * 64),
            stored.header.records.map(\.digest).elementsEqual(leaves.prefix(stored.header.records.count)),
            let frame = CheckedFrame(stored), frame.isWhollySound
        else { return 0 }
        var positions: Set<LiveSet.Position> = []
        for record in stored.header.records {
            guard let position = copied.position(of: record.digest), !copied.isExpanded(position) else { return 0 }
            positions.insert(position)
        }
        guard positions.count == stored.header.records.count else { return 0 }
        for position in positions { _ = copied.expand(position) }
        try fresh.append(stored)
        objects += UInt64(positions.count)
        bytes += UInt64(stored.header.frameSize)
        tell(bytes)
        return positions.count
    }
}
