import ContentStore
import Lineage

/// Names for a shell to offer; of commits, only those of snapshots with tags are read.
package struct CompletionNames: Sendable {
    private let catalogue: Catalogue

    /// Nil when there is no store to read.
    package init?(home: Home) {
        guard let store = try? ContentStore.open(at: home.store, createIfMissing: false) else { return nil }
        catalogue = Catalogue(store: store)
    }

    private var all: [Reference] { ((try? catalogue.references()) ?? [:]).values.flatMap { $0 } }

    /// The names of VMs.
    package func vms() -> [String] { all.filter { $0.snapshot == nil }.map(\.description).sorted() }

    /// The names of VMs, and of snapshots as `VM:SNAPSHOT`.
    package func references() -> [String] { all.map(\.description).sorted() }

    /// The names of experiments.
    package func experiments() -> [String] { ((try? catalogue.experiments()) ?? []).map(\.name.text) }

    /// Tags that some snapshot has.
    package func tags() -> [String] {
        let annotations = ((try? catalogue.vms()) ?? []).flatMap { $0.snapshots.map(\.annotation) }
        return Set(annotations.flatMap(\.tags)).sorted().map(\.text)
    }
}
