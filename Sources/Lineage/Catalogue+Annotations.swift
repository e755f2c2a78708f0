import ContentStore

/// Tags and notes of snapshots.
extension Catalogue {
    /// Changes the tags and the note of a snapshot as one operation; returns what they are then.
    ///
    /// The snapshot's commit stays as it is. Nothing is written when nothing changes.
    @discardableResult
    package func annotate(
        _ reference: Reference, operation: String, _ change: (inout Annotation) -> Void
    ) throws -> Annotation {
        guard let name = reference.snapshot else {
            _ = try snapshot(reference)
            return Annotation()
        }
        // Read first: if somebody else annotates meanwhile, the exchange below fails.
        let ref = Ref.note(name, of: reference.vm)
        let old = try store.ref(ref)
        let found = try snapshot(reference)
        var annotation = found.annotation
        change(&annotation)
        if annotation == found.annotation { return annotation }
        let ingest = try store.beginIngest(label: operation)
        let note = try ingest.putCommit(.note(annotation, about: found.digest))
        try ingest.publish([RefChange(ref, expected: .some(old), new: note)], operation: operation)
        return annotation
    }
}

/// Which names lead to a commit.
extension Catalogue {
    /// The names of all heads and snapshots by what they name. No commit is read.
    package func references() throws -> [Digest: [Reference]] {
        var found: [Digest: [Reference]] = [:]
        for (ref, digest) in try store.refs(prefix: "vms/") {
            switch RefSubject(ref: ref) {
            case .vm(let name): found[digest, default: []].append(Reference(vm: name))
            case .snapshot(let reference): found[digest, default: []].append(reference)
            case .note, .experiment, .other: break
            }
        }
        return found
    }

    /// What the snapshot that an experiment explored is called now; nil when it has no name any more.
    ///
    /// An experiment remembers the name that was typed when it was made. If that still names the same snapshot, it is
    /// preferred to other names of it.
    package func snapshot(of experiment: NamedCommit, among references: [Digest: [Reference]]) -> Reference? {
        guard let parent = experiment.commit.parents.first, let names = references[parent] else { return nil }
        let recorded = experiment.commit.attributes[Attribute.source]
        return names.first { $0.description == recorded } ?? names.first
    }
}
