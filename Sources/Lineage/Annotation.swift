import ContentStore

/// What people say about a snapshot: tags to find it by, and a note.
///
/// A snapshot may be saved with tags. Later ones are kept in a commit of their own, so that the snapshot's stays as it is;
/// see the module's documentation.
package struct Annotation: Hashable, Sendable {
    /// Sorted, each one once.
    package private(set) var tags: [Name]
    /// Any text; empty for none.
    package var note: String

    package init(tags: [Name] = [], note: String = "") {
        self.tags = Set(tags).sorted()
        self.note = note
    }

    package var isEmpty: Bool { tags.isEmpty && note.isEmpty }

    /// Adds tags.
    package mutating func tag(_ new: [Name]) { tags = Set(tags).union(new).sorted() }

    /// Takes tags away.
    package mutating func untag(_ old: [Name]) { tags = Set(tags).subtracting(old).sorted() }
}

extension Commit {
    /// The tags and the note that the commit itself carries. What is no tag is left out.
    package var annotation: Annotation {
        get {
            let tags = attributes[Attribute.tags]?.split(separator: ",").compactMap { try? Name(String($0)) }
            return Annotation(tags: tags ?? [], note: attributes[Attribute.note] ?? "")
        }
        set {
            attributes[Attribute.tags] =
                newValue.tags.isEmpty ? nil : newValue.tags.map(\.text).joined(separator: ",")
            attributes[Attribute.note] = newValue.note.isEmpty ? nil : newValue.note
        }
    }

    /// A commit that says `annotation` about the snapshot `digest`.
    static func note(_ annotation: Annotation, about digest: Digest) -> Commit {
        var commit = Commit(kind: EdgeKind.note.rawValue, parents: [digest], message: "Tags and note of a snapshot")
        commit.annotation = annotation
        return commit
    }
}
