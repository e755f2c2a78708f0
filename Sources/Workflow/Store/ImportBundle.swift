import ContentStore
import Lineage

/// What was taken over from a bundle: the JSON of `stemma store import`.
package struct BundleImportReport: Sendable, Codable {
    /// What became of one name.
    package struct Arrived: Sendable, Codable {
        /// `VM Mini`, `snapshot Mini:booted`.
        package let subject: String
        package let ref: String
        /// `created`, `moved` or `unchanged`.
        package let action: Arrival.Action
        /// The commit that it names now.
        package let commit: String
    }

    /// Nil for standard input.
    package let file: String?
    package let names: [Arrived]
    /// Names in the bundle that mean nothing to this version.
    package let ignored: [String]
    package let bundle: BundleReport
    /// The number that `stemma undo` takes; nil when every name meant the same already.
    package let operation: UInt64?

    package var text: String {
        var lines = names.filter { $0.action != .unchanged }.map { "\($0.action.rawValue)  \($0.subject)" }
        let unchanged = names.count - lines.count
        if unchanged > 0 { lines.append("unchanged  \(unchanged) names") }
        lines += ignored.map { "ignored  \($0)" }
        lines.append(
            "\(bundle.objects) objects checked, \(bundle.newObjects) of them new; \(Text.size(bundle.bytes)) read")
        return lines.joined(separator: "\n")
    }
}

extension Stemma {
    /// Takes over what a bundle holds. Every byte is checked before anything becomes visible; then all names change together.
    ///
    /// - Parameter file: nil for standard input.
    package func importBundle(_ file: String?, rules: ArrivalRules) throws -> BundleImportReport {
        let step = "reading \(file ?? "standard input")"
        progress.step(step)
        let progress = progress
        let tell: (BundleProgress) -> Void = {
            progress.amount(step, ProgressAmount(done: $0.objects, total: $0.totalObjects, unit: .items("objects")))
        }
        let incoming =
            if let file { try store.importBundle(from: file, progress: tell) } else {
                try store.importBundle(from: 0, progress: tell)
            }
        var arrivals = try catalogue.arrivals(of: incoming.refs, rules: rules)
        let missing = try catalogue.missingHeads(in: arrivals)
        // Its lease lives until the refs have changed.
        let ingest = try missing.isEmpty ? nil : store.beginIngest(label: "store import")
        if let ingest {
            for (vm, snapshot) in missing {
                arrivals.append(try catalogue.makeHead(of: vm, from: snapshot, in: ingest))
            }
            try ingest.finish()
        }
        let changes = arrivals.filter { $0.action != .unchanged }.map(\.change)
        let name = file.map { $0.split(separator: "/").last.map(String.init) ?? $0 } ?? "standard input"
        let operation = changes.isEmpty ? nil : try incoming.publish(changes, operation: "store import \(name)")
        incoming.close()
        ingest?.close()
        return BundleImportReport(
            file: file,
            names: arrivals.map {
                .init(subject: $0.subject.description, ref: $0.ref, action: $0.action, commit: $0.new.hex)
            },
            ignored: incoming.refs.map(\.name).filter { if case .other = RefSubject(ref: $0) { true } else { false } },
            bundle: incoming.report, operation: operation?.number)
    }
}
