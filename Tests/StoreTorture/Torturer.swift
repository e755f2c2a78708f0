import ContentStore
import Glibc

/// An endless mix of operations, the same for the same seed.
///
/// Before a ref is changed it says `may <ref>`: from then on the ref may be what it was or what it becomes; afterwards `is <ref> <digest>`
/// or `is <ref> -` for one that was removed. Each commit has the digest of the bytes of its tree as an attribute.
struct Torturer {
    enum Role: String, CaseIterable {
        /// All of the others.
        case mixed
        case importer, writer, reader, collector, repacker
    }

    let store: ContentStore
    let role: Role
    let prefix: String
    var random: Random

    init(_ store: ContentStore, _ role: Role, _ seed: UInt64) {
        self.store = store
        self.role = role
        prefix = "\(role.rawValue)-\(seed % 16)/"
        random = Random(seed)
    }

    /// One operation. Throws when the store fails at anything it must not fail at.
    mutating func step() throws {
        let dice = Int.random(in: 0..<100, using: &random)
        switch role {
        case .importer: try importTree()
        case .writer: try write(dice)
        case .reader: try readSomething()
        case .collector: try collect()
        case .repacker: try repack()
        case .mixed:
            switch dice {
            case ..<70: try write(Int.random(in: 0..<100, using: &random))
            case ..<80: try readSomething()
            case ..<92: try collect()
            default: try repack()
            }
        }
    }

    private mutating func write(_ dice: Int) throws {
        switch dice {
        case ..<25: try importTree()
        case ..<60: try changeTree()
        case ..<70: try clone()
        case ..<90: try remove()
        default: try undo()
        }
    }

    private mutating func ownName() -> String { prefix + String(Int.random(in: 0..<6, using: &random)) }

    private mutating func anyRef() throws -> String? { try store.refs().map(\.name).randomElement(using: &random) }

    private mutating func options() -> IngestOptions {
        let compressions: [Compression] = [.none, .lz4, .lz4, .zstd(level: 1)]
        return IngestOptions(
            compression: compressions.randomElement(using: &random) ?? .lz4,
            packSize: Bool.random(using: &random) ? 64 << 20 : 200_000)
    }

    // MARK: Writing

    private mutating func importTree() throws {
        let kind = TreeKind.allCases.randomElement(using: &random) ?? .disk
        let bytes = random.contents(units: Int.random(in: 1...24, using: &random))
        let ingest = try store.beginIngest(label: "import", options: options())
        let editor = try ingest.edit(nil, kind: kind, length: UInt64(bytes.count))
        try editor.write(bytes, at: 0)
        try publish(ingest, try editor.finish(), bytes, parents: [], "import")
    }

    private mutating func changeTree() throws {
        // The lease comes first: from then on nothing that is read goes away.
        let ingest = try store.beginIngest(label: "change", options: options())
        guard let name = try anyRef(), let parent = try store.ref(name) else { return }
        let commit = try store.commit(parent)
        guard let base = commit.trees["t"] else { return }
        var bytes = try store.read(base, at: 0, count: Int(base.length))
        try check(bytes, commit, name)
        let editor = try ingest.edit(base, kind: base.kind, length: base.length)
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let piece = random.contents(units: 1)
            let place = Int.random(in: 0..<bytes.count, using: &random)
            let count = min(piece.count, bytes.count - place)
            bytes.replaceSubrange(place..<place + count, with: piece[..<count])
            try editor.write(Array(piece[..<count]), at: UInt64(place))
        }
        try publish(ingest, try editor.finish(), bytes, parents: [parent], "change \(name)")
    }

    private mutating func publish(
        _ ingest: Ingest, _ root: TreeRoot, _ bytes: [UInt8], parents: [Digest], _ operation: String
    ) throws {
        let name = ownName()
        let blob = try ingest.putBlob(random.contents(units: 2))
        let commit = try ingest.putCommit(
            Commit(
                kind: "torture", parents: parents, trees: ["t": root], blobs: ["b": blob],
                attributes: ["sha256": Digest(of: bytes).hex]))
        say("may \(name)")
        try ingest.publish([RefChange(name, new: commit)], operation: operation)
        say("is \(name) \(commit.hex)")
    }

    private mutating func clone() throws {
        let lease = try store.lease(label: "clone")
        guard let origin = try anyRef(), let commit = try store.ref(origin) else { return }
        let name = ownName()
        say("may \(name)")
        try store.updateRefs([RefChange(name, new: commit)], operation: "clone \(origin)")
        say("is \(name) \(commit.hex)")
        withExtendedLifetime(lease) {}
    }

    private mutating func remove() throws {
        let name = ownName()
        say("may \(name)")
        try store.updateRefs([RefChange(name, new: nil)], operation: "remove \(name)")
        say("is \(name) -")
    }

    /// Undoes the last operation, if it is this process's own.
    private mutating func undo() throws {
        guard let last = try store.operations().last, last.changes.allSatisfy({ $0.ref.hasPrefix(prefix) }) else {
            return
        }
        for change in last.changes { say("may \(change.ref)") }
        if let operation = try reverted(last.number) {
            for change in operation.changes { say("is \(change.ref) \(change.new?.hex ?? "-")") }
        } else {
            for change in last.changes { say("is \(change.ref) \(try store.ref(change.ref)?.hex ?? "-")") }
        }
    }

    /// Undoes an operation; nil when that cannot be: what it replaced was collected, as few operations are kept, or it changed nothing.
    private func reverted(_ number: UInt64) throws -> Operation? {
        do {
            return try store.revert(number)
        } catch {
            switch error.code {
            case .conflict, .invalid, .notFound: return nil
            default: throw error
            }
        }
    }

    // MARK: Reading

    private mutating func readSomething() throws {
        guard let name = try anyRef(), let commit = try store.ref(name) else { return }
        let lease = try store.lease(label: "reader", pins: [commit], scope: .pins)
        // Only what is named now is kept.
        guard try store.ref(name) == commit else { return }
        let description = try store.commit(commit)
        if let root = description.trees["t"] {
            try check(try store.read(root, at: 0, count: Int(root.length)), description, name)
        }
        for blob in description.blobs.values { _ = try store.blob(blob) }
        withExtendedLifetime(lease) {}
    }

    private func check(_ bytes: [UInt8], _ commit: Commit, _ name: String) throws {
        guard Digest(of: bytes).hex == commit.attributes["sha256"] else {
            throw StoreError(.damaged, "ref \(name) reads as something that was never stored")
        }
    }

    // MARK: Collecting

    private mutating func collectOptions() -> CollectOptions {
        CollectOptions(
            keepOperations: Int.random(in: 0..<4, using: &random),
            maximumUnused: Double.random(in: 0..<0.2, using: &random),
            packSize: Bool.random(using: &random) ? 64 << 20 : 300_000)
    }

    private mutating func collect() throws {
        let options = collectOptions()
        try unlessBusy { _ = try store.collect(options) }
    }

    private mutating func repack() throws {
        let options = collectOptions()
        switch Int.random(in: 0..<4, using: &random) {
        case 0: try unlessBusy { _ = try store.recompress(.lz4, options: options) }
        case 1:
            guard let name = try anyRef(), let commit = try store.ref(name) else { return }
            // It may be gone when the recompression begins.
            let lease = try store.lease(label: "recompress", pins: [commit], scope: .pins)
            guard try store.ref(name) == commit else { return }
            try unlessBusy { _ = try store.recompress(.zstd(level: 3), commits: [commit], options: options) }
            withExtendedLifetime(lease) {}
        default: try unlessBusy { _ = try store.repack(RepackOptions(toleratedJumps: 1, collect: options)) }
        }
    }

    private func unlessBusy(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as StoreError {
            guard error.code == .busy else { throw error }
            usleep(2000)
        }
    }
}
