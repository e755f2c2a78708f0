import ContentStore
import Lineage

/// What somebody says about a snapshot when it is made.
package struct Remarks: Sendable {
    /// Instead of the message that the step would write.
    package var message: String?
    package var tags: [Name] = []

    package init(message: String? = nil, tags: [Name] = []) {
        self.message = message
        self.tags = tags
    }

    /// Puts them into a commit that is not stored yet.
    package func apply(to commit: inout Commit) {
        if let message, !message.isEmpty { commit.message = message }
        commit.annotation.tag(tags)
    }
}

/// Tags and note of a snapshot, the JSON of `stemma snapshot tag`, `untag` and `note`.
package struct AnnotationReport: Sendable, Codable {
    package let snapshot: String
    package let tags: [String]
    package let note: String

    init(_ reference: Reference, _ annotation: Annotation) {
        snapshot = reference.description
        tags = annotation.tags.map(\.text)
        note = annotation.note
    }

    package var text: String {
        snapshot + (tags.isEmpty ? ": no tags" : ": " + tags.joined(separator: ", "))
            + (note.isEmpty ? "" : "\n  \(note)")
    }
}

extension Stemma {
    /// Adds tags to a snapshot.
    package func tag(_ reference: Reference, with tags: [Name]) throws -> AnnotationReport {
        let words = tags.map(\.text).joined(separator: " ")
        return AnnotationReport(
            reference,
            try catalogue.annotate(reference, operation: "snapshot tag \(reference) \(words)") { $0.tag(tags) })
    }

    /// Takes tags from a snapshot; all of them when none is named. One that it does not have is an error.
    package func untag(_ reference: Reference, from tags: [Name]) throws -> AnnotationReport {
        let present = try catalogue.snapshot(reference).annotation.tags
        if let missing = tags.first(where: { !present.contains($0) }) {
            throw LineageError(
                .notFound,
                "\(reference) has no tag '\(missing)'; "
                    + (present.isEmpty ? "it has none." : "it has " + present.map(\.text).joined(separator: ", ") + ".")
            )
        }
        let words = tags.map { " \($0)" }.joined()
        let gone = tags.isEmpty ? present : tags
        return AnnotationReport(
            reference,
            try catalogue.annotate(reference, operation: "snapshot untag \(reference)\(words)") { $0.untag(gone) })
    }

    /// Writes the note of a snapshot; an empty text removes it.
    package func note(_ reference: Reference, _ text: String) throws -> AnnotationReport {
        AnnotationReport(
            reference, try catalogue.annotate(reference, operation: "snapshot note \(reference)") { $0.note = text })
    }

    /// The tags and the note of a snapshot.
    package func annotation(of reference: Reference) throws -> AnnotationReport {
        AnnotationReport(reference, try catalogue.snapshot(reference).annotation)
    }
}
