import ContentStore

/// Steps that make something new and name it. Each is one operation of the store's log.
extension Catalogue {
    /// Fails when a VM called `name` exists.
    package func requireFree(vm name: Name) throws {
        if try store.ref(Ref.head(name)) != nil {
            throw LineageError(.exists, "A VM '\(name)' exists already. Choose another name.")
        }
    }

    /// Fails when `vm` has a snapshot called `name`.
    package func requireFree(snapshot name: Name, of vm: Name) throws {
        if try store.ref(Ref.snapshot(name, of: vm)) != nil {
            throw LineageError(
                .exists,
                "VM '\(vm)' has a snapshot '\(name)' already. Choose another name, or remove it first with "
                    + "'stemma snapshot remove \(vm):\(name)'.")
        }
    }

    /// Fails when an experiment called `name` exists.
    package func requireFree(experiment name: Name) throws {
        if try store.ref(Ref.experiment(name)) != nil {
            throw LineageError(.exists, "An experiment '\(name)' exists already. Choose another name with --expname.")
        }
    }

    /// Stores `commit` as the head of a new VM, with its snapshots if it has some, and makes everything of `ingest` durable.
    @discardableResult
    package func createVM(
        _ name: Name, commit: Commit, snapshots: [Name: Commit] = [:], ingest: Ingest, operation: String
    ) throws -> Digest {
        try requireFree(vm: name)
        let digest = try ingest.putCommit(commit)
        var changes = [RefChange(Ref.head(name), expected: .some(nil), new: digest)]
        for (snapshot, commit) in snapshots {
            changes.append(
                RefChange(
                    Ref.snapshot(snapshot, of: name), expected: .some(nil), new: try ingest.putCommit(commit)))
        }
        try ingest.publish(changes, operation: operation)
        return digest
    }

    /// Stores `commit` and moves the head of `name` to it; fails when someone else moved it from `old` meanwhile.
    @discardableResult
    package func moveHead(
        of name: Name, from old: Digest, to commit: Commit, ingest: Ingest, operation: String
    ) throws -> Digest {
        let digest = try ingest.putCommit(commit)
        try ingest.publish([RefChange(Ref.head(name), expected: .some(old), new: digest)], operation: operation)
        return digest
    }

    /// Stores `commit` as a new snapshot of `vm` and makes everything of `ingest` durable.
    @discardableResult
    package func addSnapshot(
        _ name: Name, of vm: Name, commit: Commit, ingest: Ingest, operation: String
    ) throws -> Digest {
        try requireFree(snapshot: name, of: vm)
        let digest = try ingest.putCommit(commit)
        try ingest.publish(
            [RefChange(Ref.snapshot(name, of: vm), expected: .some(nil), new: digest)], operation: operation)
        return digest
    }

    /// Stores `commit` as a new experiment and makes everything of `ingest` durable.
    @discardableResult
    package func addExperiment(
        _ name: Name, commit: Commit, ingest: Ingest, operation: String
    ) throws -> Digest {
        try requireFree(experiment: name)
        let digest = try ingest.putCommit(commit)
        try ingest.publish(
            [RefChange(Ref.experiment(name), expected: .some(nil), new: digest)], operation: operation)
        return digest
    }
}

extension Catalogue {
    /// A free name for a snapshot of `vm` that is, or resembles, what somebody typed into QEMU's monitor.
    package func freeSnapshotName(_ wanted: String, of vm: Name) throws -> Name {
        var text = String(
            wanted.unicodeScalars.prefix(48).map { scalar in
                let isFit = scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
                return isFit || "._-".unicodeScalars.contains(scalar) ? Character(scalar) : "-"
            })
        if (try? Name(text)) == nil { text = "snapshot" + text }
        var number = 1
        while true {
            let name = try Name(number == 1 ? text : "\(text)-\(number)", role: "snapshot")
            if try store.ref(Ref.snapshot(name, of: vm)) == nil { return name }
            number += 1
        }
    }
}
