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
        for leaf in node.digests { try copy(leaf, shape.kind == .disk ? .chunks : .pages) }
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
        if !encodesAnew, content == .chunks, try copyFrame(digest, place) { return }
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

    /// Copies the frame of a chunk as it is; false when it holds other things too or is not sound.
    private mutating func copyFrame(_ digest: Digest, _ place: ObjectPlace) throws(StoreError) -> Bool {
        guard
            let stored = try? store.pack(place.pack).frame(at: UInt64(place.offset), sizeHint: place.sizeHint),
            stored.header.records.count == 1, stored.header.records.first?.digest == digest,
            let frame = Frame(stored), frame.isSound(0)
        else { return false }
        try fresh.append(stored)
        bytes += UInt64(stored.header.frameSize)
        tell(bytes)
        return true
    }
}
