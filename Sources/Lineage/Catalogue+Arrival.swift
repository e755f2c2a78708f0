import ContentStore

/// Under which names to take over what comes from another store.
package struct ArrivalRules: Sendable {
    /// In front of every VM and experiment that no rule renames.
    package var prefix = ""
    /// New names of VMs and experiments.
    package var renames: [Name: Name] = [:]
    /// The name of the only VM that comes. More than one, or none, is an error.
    package var onlyVM: Name?

    package init() {}

    /// The same rules with ``onlyVM`` as a rename.
    func resolved(for refs: [(name: String, commit: Digest)]) throws(LineageError) -> ArrivalRules {
        guard let onlyVM else { return self }
        let vms = Set(refs.compactMap { RefSubject(ref: $0.name).vm })
        guard let vm = vms.first, vms.count == 1 else {
            let list = vms.sorted().map(\.text).joined(separator: ", ")
            throw LineageError(
                .badName,
                "--as names one VM, and this brings \(vms.isEmpty ? "none" : "several: \(list)"). Use --rename OLD=NEW."
            )
        }
        var rules = self
        rules.onlyVM = nil
        rules.renames[vm] = onlyVM
        return rules
    }

    /// The name here of a VM or experiment that is called `name` there.
    func name(_ name: Name, role: String) throws(LineageError) -> Name {
        if let new = renames[name] { return new }
        return prefix.isEmpty ? name : try Name(prefix + name.text, role: role)
    }

    /// The ref here for what a ref there names; nil for a ref that means nothing.
    func ref(_ subject: RefSubject) throws(LineageError) -> String? {
        switch subject {
        case .vm(let vm): return Ref.head(try name(vm, role: "VM"))
        case .snapshot(let reference):
            guard let snapshot = reference.snapshot else { return nil }
            return Ref.snapshot(snapshot, of: try name(reference.vm, role: "VM"))
        case .note(let reference):
            guard let snapshot = reference.snapshot else { return nil }
            return Ref.note(snapshot, of: try name(reference.vm, role: "VM"))
        case .experiment(let experiment): return Ref.experiment(try name(experiment, role: "experiment"))
        case .other: return nil
        }
    }
}

/// What becomes of one name that came from another store.
package struct Arrival: Sendable {
    package enum Action: String, Sendable, Codable {
        /// The name is new here.
        case created
        /// The name goes on to something that descends from what it meant.
        case moved
        /// The name means the same already.
        case unchanged
    }

    package let ref: String
    package let action: Action
    package let old: Digest?
    package let new: Digest

    package var subject: RefSubject { RefSubject(ref: ref) }

    package var change: RefChange { RefChange(ref, expected: .some(old), new: new) }
}

/// Names from another store.
extension Catalogue {
    /// What to do so that names from another store mean the same here. The commits must be in the store; nothing is changed.
    ///
    /// A VM whose head here is an ancestor of the one that comes moves on to it. Of two notes about one snapshot the younger
    /// stays. A VM that comes without a head, because only snapshots of it were sent, gets one: see ``missingHeads(in:)``.
    ///
    /// - Throws: `exists`, naming all that is in the way, when a name means something else here.
    package func arrivals(of refs: [(name: String, commit: Digest)], rules: ArrivalRules) throws -> [Arrival] {
        let rules = try rules.resolved(for: refs)
        var arrivals: [Arrival] = []
        var taken: [String: Digest] = [:]
        var conflicts: [RefSubject] = []
        for (name, commit) in refs {
            guard let ref = try rules.ref(RefSubject(ref: name)) else { continue }
            if let other = taken.updateValue(commit, forKey: ref), other != commit {
                throw LineageError(
                    .exists,
                    "Two things would be called \(RefSubject(ref: ref)) here. Give them different names with --rename.")
            }
            let old = try store.ref(ref)
            let action: Arrival.Action?
            switch (old, RefSubject(ref: ref)) {
            case (nil, _): action = .created
            case (commit, _): action = .unchanged
            case (let old?, .vm): action = try isAncestor(old, of: commit) ? .moved : nil
            case (let old?, .note):
                action = try store.commit(old).time < store.commit(commit).time ? .moved : .unchanged
            default: action = nil
            }
            if let action {
                arrivals.append(
                    Arrival(ref: ref, action: action, old: old, new: action == .unchanged ? old ?? commit : commit))
            } else if case .vm = RefSubject(ref: ref), let old, try isAncestor(commit, of: old) {
                // What comes is older than what is here.
                arrivals.append(Arrival(ref: ref, action: .unchanged, old: old, new: old))
            } else {
                conflicts.append(RefSubject(ref: ref))
            }
        }
        guard conflicts.isEmpty else {
            let list = conflicts.prefix(8).map(\.description).joined(separator: ", ")
            throw LineageError(
                .exists,
                "Something else is called so here: \(list)\(conflicts.count > 8 ? " and \(conflicts.count - 8) more" : ""). "
                    + "Nothing was taken over; choose other names with --prefix or --rename.")
        }
        return arrivals
    }

    /// The VMs that would have snapshots and no head, each with the newest of its snapshots that came.
    package func missingHeads(in arrivals: [Arrival]) throws -> [(vm: Name, snapshot: NamedCommit)] {
        var newest: [Name: NamedCommit] = [:]
        for arrival in arrivals {
            guard case .snapshot(let reference) = arrival.subject, let name = reference.snapshot else { continue }
            if arrivals.contains(where: { $0.subject == .vm(reference.vm) }) { continue }
            if try store.ref(Ref.head(reference.vm)) != nil { continue }
            let commit = try store.commit(arrival.new)
            if let present = newest[reference.vm], present.commit.time >= commit.time { continue }
            newest[reference.vm] = NamedCommit(name: name, digest: arrival.new, commit: commit)
        }
        return newest.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// A head for a VM of which only snapshots came: the disks of `snapshot`. Stored in `ingest`.
    package func makeHead(of vm: Name, from snapshot: NamedCommit, in ingest: Ingest) throws -> Arrival {
        let commit = snapshot.commit.successor(
            .clone, of: snapshot.digest, message: "The disks of \(vm):\(snapshot.name)")
        return Arrival(ref: Ref.head(vm), action: .created, old: nil, new: try ingest.putCommit(commit))
    }

    /// Whether `old` is among the ancestors of `new`.
    func isAncestor(_ old: Digest, of new: Digest) throws -> Bool {
        var seen: Set<Digest> = []
        var pending = [new]
        while let digest = pending.popLast() {
            if digest == old { return true }
            if seen.insert(digest).inserted { pending += try store.commit(digest).parents }
        }
        return false
    }
}
