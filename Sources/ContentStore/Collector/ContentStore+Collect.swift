extension ContentStore {
    /// Deletes what nothing needs any more: see <doc:Collector>.
    ///
    /// Needed is what refs, the last operations and living leases name. Safe at any time, whatever other processes do with the store;
    /// only one collection, repacking or recompressing runs at a time (error `busy`). Throws `damaged`, before anything is moved, when
    /// what a ref needs cannot be read.
    ///
    /// - Parameter progress: called now and then.
    package func collect(
        _ options: CollectOptions = CollectOptions(), progress: @escaping (CollectProgress) -> Void = { _ in }
    ) throws(StoreError) -> CollectReport {
        throw StoreError(.invalid, "collecting comes with the next commit")
    }

    /// Puts the objects of trees into fresh packs in the order of reading, then collects what that left without use.
    package func repack(
        _ options: RepackOptions = RepackOptions(), progress: @escaping (CollectProgress) -> Void = { _ in }
    ) throws(StoreError) -> RepackReport {
        throw StoreError(.invalid, "repacking comes with the next commit")
    }

    /// Stores objects with another compression, then collects what that left without use. No digest changes.
    ///
    /// - Parameter commits: those whose trees and blobs are stored anew; nil for all that the store keeps.
    package func recompress(
        _ compression: Compression, commits: [Digest]? = nil, options: CollectOptions = CollectOptions(),
        progress: @escaping (CollectProgress) -> Void = { _ in }
    ) throws(StoreError) -> RecompressReport {
        throw StoreError(.invalid, "recompressing comes with the next commit")
    }
}
