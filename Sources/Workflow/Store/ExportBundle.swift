import ContentStore
import Lineage

/// What a user asks of `stemma store export`.
package struct ExportRequest: Sendable {
    /// Where the bundle goes; nil for standard output.
    package var file: String?
    /// What to send; empty for everything that has a name.
    package var selections: [Selection]
    /// What the receiver has already.
    package var bases: [Selection] = []
    /// Bundles that the receiver has taken in already.
    package var baseBundles: [String] = []
    /// What all frames are compressed with; nil for what is in the store.
    package var compression: StoreCompression?

    package init(file: String?, selections: [Selection]) {
        self.file = file
        self.selections = selections
    }
}

/// What was written into a bundle: the JSON of `stemma store export`.
package struct ExportReport: Sendable, Codable {
    /// Nil for standard output.
    package let file: String?
    /// What the names in the bundle are those of: `VM Mini`, `snapshot Mini:booted`.
    package let subjects: [String]
    /// How many commits the receiver must have.
    package let bases: Int
    package let bundle: BundleReport

    package var text: String {
        "\(file ?? "standard output"): \(subjects.count) names, \(bundle.objects) objects, \(Text.size(bundle.bytes))"
            + (bases == 0 ? "" : "; for a store that has the base")
    }
}

extension Stemma {
    /// Writes VMs, snapshots and experiments into one file, with all they need and their history, less what the receiver has.
    package func exportBundle(_ request: ExportRequest) throws -> ExportReport {
        let selections = request.selections.isEmpty ? try catalogue.everything() : request.selections
        guard !selections.isEmpty else {
            throw LineageError(.notFound, "There is nothing in this store to export.")
        }
        let refs = try catalogue.refs(of: selections)
        var bases = Set(try catalogue.refs(of: request.bases).values)
        for path in request.baseBundles {
            for commit in try store.bundleManifest(at: path).commits {
                // What was removed here since cannot be left out of what is sent.
                if try store.contains(commit) { bases.insert(commit) }
            }
        }
        let commits = Set(refs.values).sorted()
        let base = bases.sorted()
        let step = "writing \(request.file ?? "standard output")"
        progress.step(step)
        let progress = progress
        let tell: (BundleProgress) -> Void = {
            progress.amount(step, ProgressAmount(done: $0.objects, total: $0.totalObjects, unit: .items("objects")))
        }
        let report: BundleReport
        if let file = request.file {
            report = try store.exportBundle(
                to: file, commits: commits, excluding: base, refs: refs, compression: request.compression?.compression,
                progress: tell)
        } else {
            report = try store.exportBundle(
                to: 1, commits: commits, excluding: base, refs: refs, compression: request.compression?.compression,
                progress: tell)
        }
        return ExportReport(
            file: request.file, subjects: refs.keys.sorted().map { RefSubject(ref: $0).description }, bases: base.count,
            bundle: report)
    }
}
