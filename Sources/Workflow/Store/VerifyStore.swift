import ContentStore

extension VerifyReport {
    /// For people: counts, and one line for each damage.
    package var text: String {
        var lines = ["\(refs) refs, \(objects) objects, \(packs) packs read: " + (damage.isEmpty ? "sound" : "damaged")]
        for found in damage {
            let place = [found.ref.map { "ref \($0)" }, found.place, found.pack.map { "pack \($0.short)" }]
                .compactMap { $0 }.joined(separator: ", ")
            lines.append("  \(found.message)" + (place.isEmpty ? "" : " (\(place))"))
        }
        return lines.joined(separator: "\n")
    }
}

extension Stemma {
    /// Checks everything that is named.
    package func verifyStore(_ level: VerifyLevel) throws -> VerifyReport {
        let step = "verifying \(store.path)"
        progress.step(step)
        let progress = progress
        return try store.verify(level: level) {
            progress.amount(step, ProgressAmount(done: $0.bytes, total: $0.totalBytes == 0 ? nil : $0.totalBytes))
        }
    }
}
