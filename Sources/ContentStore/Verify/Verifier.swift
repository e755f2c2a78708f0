/// One verification of a store, as thorough as its level says.
///
/// It works on a store object of its own, so that nothing comes from the caches of the one in use.
struct Verifier {
    let store: ContentStore
    private(set) var level: VerifyLevel
    let subset: VerifySubset?
    let progress: (VerifyProgress) -> Void
    var report: VerifyReport
    var catalog: Catalog
    var totalBytes: UInt64 = 0

    /// Packs that were read and are wholly sound, and those in which something is wrong.
    private(set) var soundPacks: Set<Digest> = []
    private(set) var badPacks: Set<Digest> = []
    /// Packs with a place of an object that could not be read.
    var suspects: Set<Digest> = []
    private var affectedRefs: Set<String> = []
    private var indexFindings = 0

    /// Frames that cannot be read.
    var badFrames: Set<ContentStore.FrameKey> = []
    /// Packs with objects that no index knows.
    var unindexed: Set<Digest> = []

    /// Objects that do not have their digest, by frame.
    var badObjects: [ContentStore.FrameKey: Set<Digest>] = [:]

    /// Nodes below which everything was found sound.
    var soundNodes: Set<Digest> = []
    /// Commits and blobs that were found sound. What an object is depends on its place, so these are not nodes.
    var soundBlobs: Set<Digest> = []
    /// The refs as they were before the catalog was loaded, so that all they need is in it.
    var refs: [(name: String, value: Result<Digest, StoreError>)] = []

    /// More findings than this are not listed: a store that bad has one cause.
    static let maximumDamage = 10_000

    init(
        _ store: ContentStore, _ level: VerifyLevel, _ subset: VerifySubset?,
        _ progress: @escaping (VerifyProgress) -> Void
    ) throws(StoreError) {
        self.store = store
        self.level = level
        self.subset = subset
        self.progress = progress
        report = VerifyReport(level: level, subset: subset)
        refs = try store.refEntries()
        for (_, value) in refs {
            guard case .failure(let error) = value, error.code != .damaged, error.code != .io else { continue }
            throw error
        }
        let broken = try store.keeper.damagedIndexes()
        catalog = try store.keeper.reload()
        for name in broken {
            add(Damage(kind: .index, pack: name, message: "the index is damaged; it was made again from its packs"))
        }
        if let repaired = try store.keeper.repair(catalog) { catalog = repaired }
        store.keeper.discardIndexes(broken)
    }

    mutating func run() throws(StoreError) -> VerifyReport {
        verifyIndexes()
        if level != .structure { try verifyPacks() }
        try verifyRefs()
        try verifyOperations()
        report.affectedRefs = affectedRefs.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        return report
    }

    mutating func add(_ damage: Damage) {
        if let ref = damage.ref { affectedRefs.insert(ref) }
        if report.damage.count < Verifier.maximumDamage { report.damage.append(damage) } else { report.unlisted += 1 }
        if damage.kind == .index { indexFindings += 1 }
    }

    /// Reads a pack, and notes whether anything is wrong in it.
    mutating func verifyPack(_ id: Digest) throws(StoreError) {
        let findings = report.damage.count + Int(report.unlisted) - indexFindings
        do throws(StoreError) {
            let pack = try PackFile(store.layout.pack(id), in: store.fileSystem)
            report.packs += 1
            try verify(pack, id)
        } catch {
            // Deleted since it was listed; what needed it is reported where it is needed.
            if error.code == .notFound { return }
            add(Damage(kind: .pack, pack: id, message: error.description))
        }
        if report.damage.count + Int(report.unlisted) - indexFindings == findings {
            soundPacks.insert(id)
        } else {
            badPacks.insert(id)
        }
    }

    /// Reads the packs, not read yet, in which something seemed wrong on the way from the refs.
    mutating func verifySuspects() throws(StoreError) {
        level = .deep
        for id in suspects.sorted() where !soundPacks.contains(id) && !badPacks.contains(id) { try verifyPack(id) }
    }

    func tell() {
        progress(VerifyProgress(bytes: report.bytes, totalBytes: totalBytes, objects: report.objects))
    }

    /// Checks each index against its name; its CRC was checked before.
    private mutating func verifyIndexes() {
        for index in catalog.indexes where level == .deep {
            guard let name = index.name, index.file.name() != name else { continue }
            add(Damage(kind: .index, pack: name, message: "the index is sound but has another digest than its name"))
        }
    }

    private mutating func verifyOperations() throws(StoreError) {
        for file in try store.operationFileNames() {
            do throws(StoreError) {
                _ = try store.operation(inFile: file)
            } catch {
                if error.code == .notFound { continue }
                add(Damage(kind: .operation, message: error.description))
            }
        }
    }
}

extension ContentStore {
    /// Looks for damage.
    ///
    /// Damage is in the report, not thrown. What other processes add meanwhile may or may not be looked at. Nothing is changed, but that bad
    /// indexes are made again where the store can be written; ``repair(level:subset:from:progress:)`` does more.
    ///
    /// - Parameters:
    ///   - subset: the part of the packs to read, or nil for all. What refs reach is looked for in any case.
    ///   - progress: called now and then.
    package func verify(
        level: VerifyLevel, subset: VerifySubset? = nil, progress: @escaping (VerifyProgress) -> Void = { _ in }
    ) throws(StoreError) -> VerifyReport {
        var verifier = try Verifier(try afresh(), level, subset, progress)
        return try verifier.run()
    }

    /// The same store with empty caches.
    func afresh() throws(StoreError) -> ContentStore {
        try ContentStore.open(
            at: path, createIfMissing: false, access: isReadOnly ? .readOnly : .automatic, fileSystem: outputFileSystem)
    }

    /// How much the store holds.
    package func statistics() throws(StoreError) -> StoreStatistics {
        let catalog = try keeper.reload()
        var statistics = StoreStatistics()
        statistics.packs = catalog.packs.count
        for id in catalog.packs { statistics.packBytes += try PackFile(layout.pack(id), in: fileSystem).size }
        statistics.indexes = catalog.indexes.count
        for index in catalog.indexes {
            statistics.indexBytes += UInt64(index.file.size)
            statistics.objects += UInt64(index.file.count)
        }
        statistics.refs = try refNames().count
        statistics.operations = try operationFileNames().count
        return statistics
    }
}
