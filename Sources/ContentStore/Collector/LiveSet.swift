/// Which entries of the indexes of a catalog are needed. See <doc:Format#What-is-needed>.
///
/// Memory: three bits for each entry.
struct LiveSet {
    /// An entry: the number of its index in the catalog, and its own number there.
    struct Position: Hashable {
        var index: Int
        var entry: Int
    }

    let catalog: Catalog
    /// The kept copy of a needed object.
    private(set) var live: [BitSet]
    /// A further copy of a needed object.
    private(set) var copies: [BitSet]
    /// A node whose children are marked.
    private var expanded: [BitSet]
    private(set) var liveCount: UInt64 = 0
    private(set) var copyCount: UInt64 = 0
    /// For each index, for each of its packs: whether copies there are kept rather than others.
    private let isPreferred: [[Bool]]
    private let hasPreferred: Bool
    /// Packs with entries marked since it was set to empty.
    var touched: Set<Digest> = []
    /// For each index, for each of its packs: whether it is still in `packs/`.
    private var isThere: [[Bool]]

    /// - Parameter preferred: packs whose copies of objects are kept rather than others.
    init(_ catalog: Catalog, preferred: Set<Digest>) {
        self.catalog = catalog
        live = catalog.indexes.map { BitSet(count: $0.file.count) }
        copies = live
        expanded = live
        isPreferred = catalog.indexes.map { $0.file.packs.map { preferred.contains($0.id) } }
        hasPreferred = !preferred.isEmpty
        isThere = catalog.indexes.map(\.isLive)
    }

    /// The pack of an entry.
    func pack(_ position: Position) -> Digest {
        let file = catalog.indexes[position.index].file
        return file.packs[Int(file[position.entry].pack)].id
    }

    /// Where the kept copy of an object is: the first one in a preferred pack, else the first one; nil when no pack of the catalog
    /// has the object.
    func position(of digest: Digest) -> Position? {
        var first: Position?
        for (number, index) in catalog.indexes.enumerated() {
            guard var entry = index.file.firstIndex(of: digest) else { continue }
            while entry < index.file.count, index.file.digest(entry) == digest {
                let pack = Int(index.file[entry].pack)
                if pack < isThere[number].count, isThere[number][pack] {
                    let position = Position(index: number, entry: entry)
                    if !hasPreferred || isPreferred[number][pack] { return position }
                    if first == nil { first = position }
                }
                entry += 1
            }
        }
        return first
    }

    /// Marks an object as needed; returns where it is kept, or nil when no pack of the catalog has it.
    mutating func insert(_ digest: Digest) -> Position? {
        var home: Position?
        if hasPreferred {
            home = position(of: digest)
            if home == nil { return nil }
        }
        // The first one found is the home, unless another is preferred; the others are further copies.
        for (number, index) in catalog.indexes.enumerated() {
            guard var entry = index.file.firstIndex(of: digest) else { continue }
            while entry < index.file.count, index.file.digest(entry) == digest {
                let pack = Int(index.file[entry].pack)
                if pack < isThere[number].count, isThere[number][pack] {
                    let position = Position(index: number, entry: entry)
                    if (home ?? position) == position {
                        guard live[number].insert(entry) else { return position }
                        liveCount += 1
                        touched.insert(index.file.packs[pack].id)
                        home = position
                    } else if copies[number].insert(entry) {
                        copyCount += 1
                    }
                }
                entry += 1
            }
        }
        return home
    }

    /// Whether an entry is marked as the kept copy.
    func isLive(_ position: Position) -> Bool { live[position.index][position.entry] }

    /// Forgets packs that were moved to the trash: what is marked from now on is not to be found there.
    mutating func forget(_ packs: Set<Digest>) {
        for (number, index) in catalog.indexes.enumerated() {
            for (pack, description) in index.file.packs.enumerated() where packs.contains(description.id) {
                isThere[number][pack] = false
            }
        }
    }

    /// Notes that the children of a node are going to be marked; false when they were.
    mutating func expand(_ node: Position) -> Bool {
        expanded[node.index].insert(node.entry)
    }

    func isExpanded(_ node: Position) -> Bool { expanded[node.index][node.entry] }
}
