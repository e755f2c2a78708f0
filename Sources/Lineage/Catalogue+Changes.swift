import ContentStore

/// Steps that make, move or drop names. Each is one operation of the store's log.
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

    /// Stores `commit` as the head of a new VM and makes everything of `ingest` durable.
    @discardableResult
    package func createVM(
        _ name: Name, commit: Commit, ingest: Ingest, operation: String
    ) throws -> Digest {
        try requireFree(vm: name)
        let digest = try ingest.putCommit(commit)
        try ingest.publish([RefChange(Ref.head(name), expected: .some(nil), new: digest)], operation: operation)
        return digest
    }

    /// Gives `clone` a commit of its own on the head of `origin`, and the names of its snapshots.
    package func clone(_ origin: Name, as clone: Name) throws {
        let source = try vm(origin)
        try requireFree(vm: clone)
        let ingest = try store.beginIngest(label: "clone \(origin)")
        let commit = source.head.commit.successor(.clone, of: source.head.digest, message: "Clone of \(origin)")
        let head = try ingest.putCommit(commit)
        var changes = [RefChange(Ref.head(clone), expected: .some(nil), new: head)]
        for snapshot in source.snapshots {
            changes.append(
                RefChange(Ref.snapshot(snapshot.name, of: clone), expected: .some(nil), new: snapshot.digest))
        }
        try ingest.publish(changes, operation: "vm clone \(origin) \(clone)")
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

    /// Drops the name of a snapshot. What other names reach stays reachable.
    package func removeSnapshot(_ reference: Reference) throws {
        let found = try snapshot(reference)
        try store.updateRefs(
            [RefChange(Ref.snapshot(found.name, of: reference.vm), expected: .some(found.digest), new: nil)],
            operation: "snapshot remove \(reference)")
    }

    /// Drops a VM and the names of its snapshots.
    package func removeVM(_ name: Name) throws {
        let found = try vm(name)
        var changes = [RefChange(Ref.head(name), expected: .some(found.head.digest), new: nil)]
        for snapshot in found.snapshots {
            changes.append(
                RefChange(Ref.snapshot(snapshot.name, of: name), expected: .some(snapshot.digest), new: nil))
        }
        try store.updateRefs(changes, operation: "vm remove \(name)")
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
