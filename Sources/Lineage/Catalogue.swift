import ContentStore

/// One named commit: a VM's head, a snapshot or an experiment.
package struct NamedCommit: Sendable {
    package let name: Name
    package let digest: Digest
    package let commit: Commit

    package init(name: Name, digest: Digest, commit: Commit) {
        self.name = name
        self.digest = digest
        self.commit = commit
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
        var heads: [(Name, Digest)] = []
        for (ref, digest) in try store.refs(prefix: "vms/") {
            let parts = ref.split(separator: "/")
            guard parts.count == 3, parts[2] == "head" else { continue }
            heads.append((try Name(String(parts[1]), role: "VM"), digest))
        }
        return try heads.sorted { $0.0 < $1.0 }.map { try vm($0.0, head: $0.1) }
    }

    /// The VM called `name`.
    package func vm(_ name: Name) throws -> VirtualMachine {
        guard let digest = try store.ref(Ref.head(name)) else {
            throw LineageError(.notFound, "There is no VM '\(name)'. 'stemma vm list' shows what there is.")
        }
        return try vm(name, head: digest)
    }

    /// The commit that `reference` names: a VM's head, or one of its snapshots.
    package func resolve(_ reference: Reference) throws -> NamedCommit {
        guard let name = reference.snapshot else { return try vm(reference.vm).head }
        guard let digest = try store.ref(Ref.snapshot(name, of: reference.vm)) else {
            _ = try vm(reference.vm)
            throw LineageError(
                .notFound,
                "VM '\(reference.vm)' has no snapshot '\(name)'. 'stemma snapshot list \(reference.vm)' shows what it has."
            )
        }
        return NamedCommit(name: name, digest: digest, commit: try store.commit(digest))
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

    private func vm(_ name: Name, head: Digest) throws -> VirtualMachine {
        let prefix = "vms/\(name)/snapshots/"
        let snapshots = try store.refs(prefix: prefix).map { ref, digest in
            let snapshot = try Name(String(ref.dropFirst(prefix.count)), role: "snapshot")
            return NamedCommit(name: snapshot, digest: digest, commit: try store.commit(digest))
        }
        return VirtualMachine(
            name: name, head: NamedCommit(name: name, digest: head, commit: try store.commit(head)),
            snapshots: snapshots.sorted { $0.name < $1.name })
    }
}
