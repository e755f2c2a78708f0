/// One verification of a store, as thorough as its level says.
///
/// It works on a store object of its own, so that nothing comes from the caches of the one in use.
struct Verifier {
    let store: ContentStore
    let level: VerifyLevel
    let progress: (VerifyProgress) -> Void
    var report: VerifyReport
    var catalog: Catalog
    var totalBytes: UInt64 = 0

    /// Frames that cannot be read.
    var badFrames: Set<ContentStore.FrameKey> = []
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

    init(_ store: ContentStore, _ level: VerifyLevel, _ progress: @escaping (VerifyProgress) -> Void)
        throws(StoreError)
    {
        self.store = store
        self.level = level
        self.progress = progress
        report = VerifyReport(level: level)
        for name in try store.refNames() {
            do throws(StoreError) {
                if let digest = try store.ref(name) { refs.append((name, .success(digest))) }
            } catch {
                guard error.code == .damaged || error.code == .io else { throw error }
                refs.append((name, .failure(error)))
            }
        }
        catalog = try store.keeper.reload()
    }

    mutating func run() throws(StoreError) -> VerifyReport {
        try verifyIndexes()
        if level != .structure { try verifyPacks() }
        try verifyRefs()
        try verifyOperations()
        return report
    }

    mutating func add(_ damage: Damage) {
        if report.damage.count < Verifier.maximumDamage { report.damage.append(damage) }
    }

    func tell() {
        progress(VerifyProgress(bytes: report.bytes, totalBytes: totalBytes, objects: report.objects))
    }

    /// Checks each index against its CRC (and its name), and makes bad ones again.
    private mutating func verifyIndexes() throws(StoreError) {
        for index in catalog.indexes {
            guard let name = index.name else { continue }
            if !index.file.isSound() {
                add(Damage(kind: .index, pack: name, message: "the index is damaged; it was made again from its packs"))
            } else if level == .deep, index.file.name() != name {
                add(
                    Damage(kind: .index, pack: name, message: "the index is sound but has another digest than its name")
                )
            }
        }
        if let repaired = try store.keeper.repair(catalog) { catalog = repaired }
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
    /// Damage is in the report, not thrown. What other processes add meanwhile may or may not be looked at.
    ///
    /// - Parameter progress: called now and then.
    package func verify(
        level: VerifyLevel, progress: @escaping (VerifyProgress) -> Void = { _ in }
    ) throws(StoreError) -> VerifyReport {
        let fresh = try ContentStore.open(at: path, createIfMissing: false, fileSystem: fileSystem)
        var verifier = try Verifier(fresh, level, progress)
        return try verifier.run()
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
