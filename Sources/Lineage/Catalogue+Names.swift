import ContentStore

/// Steps that copy, move or drop names; the commits stay. Each is one operation of the store's log, which undo reverts.
extension Catalogue {
    /// Gives `clone` a commit of its own on the head of `origin`, and the names of its snapshots with tags and notes.
    @discardableResult
    package func clone(_ origin: Name, as clone: Name) throws -> Operation {
        let source = try resolve(Reference(vm: origin))
        try requireFree(vm: clone)
        let ingest = try store.beginIngest(label: "clone \(origin)")
        let commit = source.commit.successor(.clone, of: source.digest, message: "Clone of \(origin)")
        let head = try ingest.putCommit(commit)
        // Changed singly, the head also keeps others from making a VM of this name at the same time.
        return try ingest.publish(
            [RefChange(Ref.head(clone), expected: .some(nil), new: head)],
            groups: [.copy(from: Ref.all(of: origin), to: Ref.all(of: clone))],
            operation: "vm clone \(origin) \(clone)")
    }

    /// Calls a VM `new`. Its snapshots, their tags and notes, and what experiments say about them go along; no commit
    /// changes.
    @discardableResult
    package func rename(_ old: Name, to new: Name) throws -> Operation {
        let head = try resolve(Reference(vm: old)).digest
        try requireFree(vm: new)
        return try store.updateRefs(
            [
                RefChange(Ref.head(new), expected: .some(nil), new: head),
                RefChange(Ref.head(old), expected: .some(head), new: nil),
            ], groups: [.copy(from: Ref.all(of: old), to: Ref.all(of: new)), .remove(Ref.all(of: old))],
            operation: "vm rename \(old) \(new)")
    }

    /// Calls a snapshot `new`, with its tags and its note.
    @discardableResult
    package func rename(_ reference: Reference, to new: Name) throws -> Operation {
        let found = try snapshot(reference)
        try requireFree(snapshot: new, of: reference.vm)
        return try move(
            try refs(of: found.name, of: reference.vm), operation: "snapshot rename \(reference) \(new)"
        ) { ref in
            ref.name == Ref.note(found.name, of: reference.vm)
                ? Ref.note(new, of: reference.vm) : Ref.snapshot(new, of: reference.vm)
        }
    }

    /// Drops the name of a snapshot, its tags and its note. What other names reach stays reachable.
    @discardableResult
    package func removeSnapshot(_ reference: Reference) throws -> Operation {
        let found = try snapshot(reference)
        return try drop(try refs(of: found.name, of: reference.vm), operation: "snapshot remove \(reference)")
    }

    /// Drops a VM and the names of its snapshots. What other names reach stays reachable.
    @discardableResult
    package func removeVM(_ name: Name) throws -> Operation {
        _ = try resolve(Reference(vm: name))
        return try store.updateRefs([], groups: [.remove(Ref.all(of: name))], operation: "vm remove \(name)")
    }

    /// Drops the name of an experiment.
    @discardableResult
    package func removeExperiment(_ name: Name) throws -> Operation {
        let found = try experiment(name)
        return try drop(
            [NamedRef(name: Ref.experiment(name), digest: found.digest)], operation: "experiment remove \(name)")
    }

    private func drop(_ refs: [NamedRef], operation: String) throws -> Operation {
        try store.updateRefs(
            refs.map { RefChange($0.name, expected: .some($0.digest), new: nil) }, operation: operation)
    }

    private func move(_ refs: [NamedRef], operation: String, _ newName: (NamedRef) -> String) throws -> Operation {
        // The new names come first: a crash between leaves both, and never none.
        var changes: [RefChange] = []
        for ref in refs {
            let name = newName(ref)
            // A note that a snapshot of this name left behind is in nobody's way.
            let isNote = if case .note = RefSubject(ref: name) { true } else { false }
            changes.append(RefChange(name, expected: isNote ? nil : .some(nil), new: ref.digest))
        }
        changes += refs.map { RefChange($0.name, expected: .some($0.digest), new: nil) }
        return try store.updateRefs(changes, operation: operation)
    }

    /// The ref of a snapshot, and that of its note if it has one.
    private func refs(of snapshot: Name, of vm: Name) throws -> [NamedRef] {
        try [Ref.snapshot(snapshot, of: vm), Ref.note(snapshot, of: vm)].compactMap { name in
            try store.ref(name).map { NamedRef(name: name, digest: $0) }
        }
    }
}

/// A ref with its value.
private struct NamedRef {
    let name: String
    let digest: Digest
}
