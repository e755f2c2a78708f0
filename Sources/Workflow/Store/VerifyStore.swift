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
        progress.step("verifying \(store.path)")
        return try store.verify(level: level)
    }
}
