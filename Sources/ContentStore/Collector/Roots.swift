/// Where the marking begins.
struct Roots: Sendable {
    /// Commits that refs name. What they need must be there.
    var refs: [(name: String, commit: Digest)] = []
    /// Commits that the last operations name. What they need may be gone.
    var operations: [Digest] = []
    /// The number of those operations.
    var operationCount = 0
    /// What living leases pin. It may be gone.
    var pins: Set<Digest> = []

    /// Reads refs, the log and leases.
    ///
    /// - Parameter own: the lease of the collector, which does not count.
    init(_ store: ContentStore, _ options: CollectOptions, own: String?) throws(StoreError) {
        for (name, value) in try store.refEntries() {
            switch value {
            case .success(let commit): refs.append((name, commit))
            case .failure(let error):
                guard options.toleratesDamage, error.code == .damaged else {
                    throw Roots.refusal(error, "ref \(name) cannot be read, so it is not known what it needs")
                }
            }
        }
        // A final entry and a pending one may have the same number.
        let files = try store.operationFileNames()
        let last = Set(files.compactMap { ContentStore.operationNumber(inFile: $0) }).sorted()
            .suffix(options.keepOperations)
        for file in files {
            guard let number = ContentStore.operationNumber(inFile: file), let first = last.first, number >= first
            else {
                continue
            }
            do throws(StoreError) {
                let operation = try store.expanded(try store.operation(inFile: file))
                operations += operation.changes.filter { !$0.isTable }.flatMap { [$0.old, $0.new].compactMap { $0 } }
            } catch {
                // Completed since it was listed: it is there under its final name, and is a change of refs that begins anew.
                if error.code == .notFound { continue }
                guard options.toleratesDamage, error.code == .damaged else {
                    throw Roots.refusal(error, "an entry of the operation log cannot be read")
                }
            }
        }
        operationCount = last.count
        for lease in try store.liveLeases() where lease.id != own { pins.formUnion(lease.description.pins) }
    }

    static func refusal(_ error: StoreError, _ what: String) -> StoreError {
        guard error.code == .damaged || error.code == .notFound else { return error }
        return StoreError(
            .damaged,
            "\(what): nothing is collected. Run `store verify`, repair it from a copy or remove the ref, and try again",
            path: error.path, cause: error.message)
    }
}
