/// Where a walk gets objects from: a store, or an ingest with what it has and the store has.
protocol ObjectReader {
    func node(_ digest: Digest, shape: TreeShape, level: Int) throws(StoreError) -> TreeNode
    /// An object whole, or the list of the parts of a long blob.
    func object(_ digest: Digest) throws(StoreError) -> StoredObject
}

extension ContentStore: ObjectReader {}

/// Finds all objects that commits need, each once: the commits, their trees and blobs, and the commit objects of their ancestors.
///
/// What an object is follows from the place that refers to it, so one that is in use as a node and as a blob is looked at as both. Memory
/// is a bit for each object that the indexes know and each use of it.
struct ClosureWalk {
    /// One object that was found.
    struct Found {
        var digest: Digest
        var number: Int
        /// The plain length in bytes: of the list, if it is one.
        var length: Int
        /// It is the list of the parts of a long blob.
        var isList: Bool
    }

    /// What a commit's trees hold.
    struct Size {
        /// The sum of the lengths.
        var virtual: UInt64 = 0
        /// What is not zero of it, in whole chunks and pages, and all blobs.
        var data: UInt64 = 0
    }

    /// What an object is in use as.
    private enum Use: Hashable {
        case node(TreeShape, level: Int)
        case leaf(TreeShape)
        case blob
    }

    let reader: any ObjectReader
    let numbers: ObjectNumbers
    /// With it, everything is checked that a tree has to be, whoever made it.
    var check: TreeCheck?
    /// Go on when something is missing or damaged, and count it.
    var isTolerant = false
    /// How many objects were missing or could not be read.
    private(set) var missing: UInt64 = 0
    /// Told which they are, when the walk is tolerant.
    var onMissing: (Digest) -> Void = { _ in }

    /// All objects found so far.
    private(set) var objects: ObjectSet
    private var uses: [Use: ObjectSet] = [:]
    private var commits: [Digest: Size] = [:]
    private var ancestors: Set<Digest> = []
    /// How many leaves are below a node, by number.
    private var leafCounts: [Int: UInt64] = [:]

    init(_ reader: any ObjectReader, _ numbers: ObjectNumbers) {
        self.reader = reader
        self.numbers = numbers
        objects = ObjectSet(capacity: numbers.count)
    }

    /// Forgets what was found, to begin another closure.
    mutating func restart() {
        objects = ObjectSet(capacity: numbers.count)
        uses = [:]
        commits = [:]
        ancestors = []
    }

    /// Adds a commit with all it needs.
    ///
    /// - Parameter found: is called once for each object that was not found before.
    mutating func add(_ digest: Digest, _ found: (Found) throws(StoreError) -> Void) throws(StoreError) -> Size {
        if let size = commits[digest] { return size }
        var size = Size()
        guard let commit = try commit(digest, "commit \(digest.short)", found) else { return size }
        for (name, tree) in commit.trees.sorted(by: { $0.key < $1.key }) {
            let shape = TreeShape(tree.kind)
            let place = Place(commit: digest, name: "tree \(name)")
            size.virtual += tree.length
            try check?.checkEdge(of: tree, reader, place)
            guard let top = tree.digest else { continue }
            let leaves = try addNode(top, shape, shape.topLevel(tree.length), 0, place, found)
            size.data += min(tree.length, leaves << shape.leafBits)
        }
        for (name, blob) in commit.blobs.sorted(by: { $0.key < $1.key }) {
            let length = try addBlob(blob, "blob \(name) of commit \(digest.short)", found)
            size.virtual += length
            size.data += length
        }
        commits[digest] = size
        var rest = commit.parents
        while let parent = rest.popLast() {
            guard ancestors.insert(parent).inserted else { continue }
            rest += try self.commit(parent, "ancestor \(parent.short) of commit \(digest.short)", found)?.parents ?? []
        }
        return size
    }

    // MARK: Parts of a commit

    private mutating func commit(
        _ digest: Digest, _ place: String, _ found: (Found) throws(StoreError) -> Void
    ) throws(StoreError) -> Commit? {
        do throws(StoreError) {
            let length = try visitBlob(digest, place, found)
            guard length <= Commit.maximumLength else {
                throw StoreError(.damaged, "\(place) is \(length) bytes long, more than any commit")
            }
            guard let commit = Commit(canonicalBytes: try reader.blobBytes(digest)) else {
                throw StoreError(.damaged, "\(place) is object \(digest.short), which is no commit")
            }
            return commit
        } catch {
            try tolerate(error, digest)
            return nil
        }
    }

    /// - Returns: the length of the blob.
    private mutating func addBlob(
        _ digest: Digest, _ place: @autoclosure () -> String, _ found: (Found) throws(StoreError) -> Void
    ) throws(StoreError) -> UInt64 {
        do throws(StoreError) {
            return try visitBlob(digest, place(), found)
        } catch {
            try tolerate(error, digest)
            return 0
        }
    }

    private mutating func visitBlob(
        _ digest: Digest, _ place: @autoclosure () -> String, _ found: (Found) throws(StoreError) -> Void
    ) throws(StoreError) -> UInt64 {
        let number = try number(of: digest, place())
        let object = try reader.object(digest)
        guard object.isIndirect else {
            if insert(number, .blob) { try note(digest, number, object.bytes.count, found) }
            return UInt64(object.bytes.count)
        }
        guard let list = PartList(parsing: object.bytes.span.bytes) else {
            throw StoreError(.damaged, "the list of the parts of \(place()) is none")
        }
        guard insert(number, .blob) else { return UInt64(list.length) }
        try note(digest, number, object.bytes.count, isList: true, found)
        for (index, part) in list.parts.enumerated() {
            do throws(StoreError) {
                try note(part, try self.number(of: part, "part \(index) of \(place())"), list.length(of: index), found)
            } catch {
                try tolerate(error, part)
            }
        }
        return UInt64(list.length)
    }

    /// - Parameter first: the first leaf that the node covers.
    /// - Returns: how many leaves are below it.
    private mutating func addNode(
        _ digest: Digest, _ shape: TreeShape, _ level: Int, _ first: UInt64, _ place: Place,
        _ found: (Found) throws(StoreError) -> Void
    ) throws(StoreError) -> UInt64 {
        let number: Int
        let node: TreeNode
        do throws(StoreError) {
            number = try self.number(of: digest, place.at(first, shape))
            guard insert(number, .node(shape, level: level)) else { return leafCounts[number] ?? 0 }
            node = try readNode(digest, shape, level, place.at(first, shape))
        } catch {
            try tolerate(error, digest)
            return 0
        }
        try note(digest, number, TreeNode.headerSize + shape.fanOut / 8 + node.count * Digest.byteCount, found)
        var leaves: UInt64 = 0
        for slot in 0..<shape.fanOut {
            guard let child = node.child(slot) else { continue }
            let start = first &+ UInt64(slot) &* shape.leavesPerChild(level)
            if level > 0 {
                leaves &+= try addNode(child, shape, level - 1, start, place, found)
                continue
            }
            leaves += 1
            do throws(StoreError) {
                let number = try self.number(of: child, place.at(start, shape))
                if let check, insert(number, .leaf(shape)) { try check.checkLeaf(child, shape, place.at(start, shape)) }
                try note(child, number, shape.leafSize, found)
            } catch {
                try tolerate(error, child)
            }
        }
        leafCounts[number] = leaves
        return leaves
    }

    // MARK: Helpers

    private func number(of digest: Digest, _ place: @autoclosure () -> String) throws(StoreError) -> Int {
        if let number = numbers.number(of: digest) { return number }
        throw StoreError(.notFound, "object \(digest.short), which \(place()) needs, is not there")
    }

    private mutating func insert(_ number: Int, _ use: Use) -> Bool {
        let capacity = numbers.count
        return uses[use, default: ObjectSet(capacity: capacity)].insert(number)
    }

    private mutating func note(
        _ digest: Digest, _ number: Int, _ length: Int, isList: Bool = false,
        _ found: (Found) throws(StoreError) -> Void
    ) throws(StoreError) {
        guard objects.insert(number) else { return }
        try found(Found(digest: digest, number: number, length: length, isList: isList))
    }

    private func readNode(
        _ digest: Digest, _ shape: TreeShape, _ level: Int, _ place: @autoclosure () -> String
    ) throws(StoreError) -> TreeNode {
        do throws(StoreError) {
            return try reader.node(digest, shape: shape, level: level)
        } catch {
            guard error.code == .damaged || error.code == .notFound else { throw error }
            throw StoreError(
                error.code, "the node of \(place()) cannot be read", path: error.path, cause: error.message)
        }
    }

    private mutating func tolerate(_ error: StoreError, _ digest: Digest) throws(StoreError) {
        guard isTolerant, [.notFound, .damaged, .io].contains(error.code) else { throw error }
        missing += 1
        onMissing(digest)
    }

    /// A tree of a commit, for messages.
    struct Place {
        var commit: Digest
        var name: String

        /// The place of a leaf of it.
        func at(_ leaf: UInt64, _ shape: TreeShape) -> String {
            "\(name) of commit \(commit.short) at \(leaf << shape.leafBits)"
        }
    }
}

extension Commit {
    /// The greatest length of a commit in bytes that is believed to be one.
    static let maximumLength: UInt64 = 4 << 20
}

extension ObjectReader {
    /// The bytes of a blob; those of a long one are put together and checked against its digest.
    func blobBytes(_ digest: Digest) throws(StoreError) -> [UInt8] {
        let object = try object(digest)
        guard object.isIndirect else { return object.bytes }
        var bytes: [UInt8] = []
        try forEachPart(of: digest, object.bytes) { part throws(StoreError) in bytes += part }
        return bytes
    }

    /// Reads the parts of a long blob in order, and checks them against its digest.
    ///
    /// - Parameter list: the bytes of its list.
    func forEachPart(
        of digest: Digest, _ list: [UInt8], _ body: ([UInt8]) throws(StoreError) -> Void
    ) throws(StoreError) {
        guard let list = PartList(parsing: list.span.bytes) else {
            throw StoreError(.damaged, "the list of the parts of blob \(digest.short) is none")
        }
        let hasher = SHA256Hasher()
        for (index, part) in list.parts.enumerated() {
            let piece = try object(part)
            guard !piece.isIndirect, piece.bytes.count == list.length(of: index) else {
                throw StoreError(.damaged, "part \(index) of blob \(digest.short) has another length")
            }
            piece.bytes.withUnsafeBytes { hasher.update($0) }
            try body(piece.bytes)
        }
        guard hasher.finish() == digest else {
            throw StoreError(.damaged, "the parts of blob \(digest.short) do not have its digest")
        }
    }
}
