import ContentStore

/// One named commit: a VM's head, a snapshot or an experiment.
package struct NamedCommit: Sendable {
    package let name: Name
    package let digest: Digest
    package let commit: Commit
    /// The tags and the note of a snapshot as they are now.
    package let annotation: Annotation

    /// - Parameter annotation: nil for what the commit itself says.
    package init(name: Name, digest: Digest, commit: Commit, annotation: Annotation? = nil) {
        self.name = name
        self.digest = digest
        self.commit = commit
        self.annotation = annotation ?? commit.annotation
    }
}

/// A VM as its users see it: what it starts from, and its snapshots by name.
package struct VirtualMachine: Sendable {
    package let name: Name
    package let head: NamedCommit
    package let snapshots: [NamedCommit]
}

/// The names of a store: VMs, snapshots, experiments; see the module's documentation for the refs.
package struct Catalogue: Sendable {
    package let store: ContentStore

    package init(store: ContentStore) {
        self.store = store
    }

    // MARK: Reading

    /// Every VM, by name.
    package func vms() throws -> [VirtualMachine] {
        var refs: [Name: VMRefs] = [:]
        for (ref, digest) in try store.refs(prefix: "vms/") {
            let subject = RefSubject(ref: ref)
            if let vm = subject.vm { refs[vm, default: VMRefs()].add(subject, digest) }
        }
        return try refs.sorted { $0.key < $1.key }.compactMap { try $1.machine(called: $0, in: store) }
    }

    /// The VM called `name`.
    package func vm(_ name: Name) throws -> VirtualMachine {
        var refs = VMRefs()
        for (ref, digest) in try store.refs(prefix: "vms/\(name)/") { refs.add(RefSubject(ref: ref), digest) }
        guard let vm = try refs.machine(called: name, in: store) else {
            throw LineageError(.notFound, "There is no VM '\(name)'. 'stemma vm list' shows what there is.")
        }
        return vm
    }

    /// The commit that `reference` names: a VM's head, or one of its snapshots.
    package func resolve(_ reference: Reference) throws -> NamedCommit {
        guard let name = reference.snapshot else {
            guard let head = try store.ref(Ref.head(reference.vm)) else { return try vm(reference.vm).head }
            return NamedCommit(name: reference.vm, digest: head, commit: try store.commit(head))
        }
        guard let digest = try store.ref(Ref.snapshot(name, of: reference.vm)) else {
            _ = try vm(reference.vm)
            throw LineageError(
                .notFound,
                "VM '\(reference.vm)' has no snapshot '\(name)'. 'stemma snapshot list \(reference.vm)' shows what it has."
            )
        }
        return NamedCommit(
            name: name, digest: digest, commit: try store.commit(digest),
            annotation: try annotation(of: digest, in: store.ref(Ref.note(name, of: reference.vm))))
    }

    /// What the commit of a note says about the snapshot `digest`; nil when it is about another one.
    func annotation(of digest: Digest, in note: Digest?) throws -> Annotation? {
        guard let note else { return nil }
        let commit = try store.commit(note)
        return commit.edge == .note && commit.parents.first == digest ? commit.annotation : nil
    }

    /// The snapshot that `reference` names; a bare VM is refused.
    package func snapshot(_ reference: Reference) throws -> NamedCommit {
        guard reference.snapshot != nil else {
            throw LineageError(
                .badName, "'\(reference)' names a VM; name one of its snapshots as '\(reference.vm):SNAPSHOT'.")
        }
        return try resolve(reference)
    }

    /// Every experiment, by name.
    package func experiments() throws -> [NamedCommit] {
        try store.refs(prefix: "experiments/").map { ref, digest in
            let name = try Name(String(ref.dropFirst("experiments/".count)), role: "experiment")
            return NamedCommit(name: name, digest: digest, commit: try store.commit(digest))
        }.sorted { $0.name < $1.name }
    }

    /// The experiment called `name`.
    package func experiment(_ name: Name) throws -> NamedCommit {
        guard let digest = try store.ref(Ref.experiment(name)) else {
            throw LineageError(
                .notFound, "There is no experiment '\(name)'. 'stemma experiment list' shows what there is.")
        }
        return NamedCommit(name: name, digest: digest, commit: try store.commit(digest))
    }
}

/// The refs of one VM, while they are collected.
private struct VMRefs {
    private var head: Digest?
    private var snapshots: [Name: Digest] = [:]
    private var notes: [Name: Digest] = [:]

    mutating func add(_ subject: RefSubject, _ digest: Digest) {
        switch subject {
        case .vm: head = digest
        case .snapshot(let reference): if let name = reference.snapshot { snapshots[name] = digest }
        case .note(let reference): if let name = reference.snapshot { notes[name] = digest }
        case .experiment, .other: break
        }
    }

    /// Nil when there is no head, which makes a VM.
    func machine(called name: Name, in store: ContentStore) throws -> VirtualMachine? {
        guard let head else { return nil }
        let catalogue = Catalogue(store: store)
        return VirtualMachine(
            name: name, head: NamedCommit(name: name, digest: head, commit: try store.commit(head)),
            snapshots: try snapshots.sorted { $0.key < $1.key }.map { snapshot, digest in
                NamedCommit(
                    name: snapshot, digest: digest, commit: try store.commit(digest),
                    annotation: try catalogue.annotation(of: digest, in: notes[snapshot]))
            })
    }
}
