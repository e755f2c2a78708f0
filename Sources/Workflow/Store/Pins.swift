import ContentStore
import Foundation
import Lineage

extension Stemma {
    /// What a reference names, and a lease that keeps it from the collector: whoever removes the name meanwhile.
    ///
    /// - Returns: no lease for a store that is only read.
    func pinned(_ reference: Reference, label: String) throws -> (commit: NamedCommit, lease: Lease?) {
        let found = try catalogue.resolve(reference)
        if store.isReadOnly { return (found, nil) }
        let lease = try store.lease(label: label, pins: [found.digest], scope: .pins)
        // What was collected before the lease was there does not come back.
        return (try catalogue.resolve(reference), lease)
    }

    /// A lease on the versions that uncommitted writes lie on, for the time of a collection.
    func pinWrites() throws -> Lease? {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: home.writes)) ?? []
        let origins = try names.flatMap { WrittenDisks.origins(in: home.writes($0)) }
            // The last of a VM may not have been made.
            .filter { try store.contains($0) }
        if origins.isEmpty { return nil }
        return try store.lease(label: "uncommitted writes", pins: origins, scope: .pins)
    }
}
