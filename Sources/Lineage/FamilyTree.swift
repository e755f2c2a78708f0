import ContentStore

/// The commits that names reach, with their children: what `stemma log` shows.
package struct FamilyTree: Sendable {
    /// One commit and what is named or grown from it.
    package struct Member: Sendable {
        package let digest: Digest
        package let commit: Commit
        /// The names that point here, as a user writes them.
        package internal(set) var names: [String]
        package internal(set) var children: [Digest]
    }

    package let members: [Digest: Member]
    /// Members without a parent in the tree, oldest first.
    package let roots: [Digest]

    /// The family of `vm` - every commit that its names reach, and all that grew from those - or of all VMs.
    package init(of vm: Name?, in catalogue: Catalogue) throws {
        var members: [Digest: Member] = [:]
        var starts: Set<Digest> = []

        func add(_ named: Digest, as name: String) throws {
            var pending = [named]
            while let digest = pending.popLast() {
                if members[digest] != nil { continue }
                let commit = try catalogue.store.commit(digest)
                members[digest] = Member(digest: digest, commit: commit, names: [], children: [])
                pending.append(contentsOf: commit.parents)
            }
            members[named]?.names.append(name)
        }

        for machine in try catalogue.vms() {
            try add(machine.head.digest, as: machine.name.text)
            if machine.name == vm { starts.insert(machine.head.digest) }
            for snapshot in machine.snapshots {
                try add(snapshot.digest, as: "\(machine.name):\(snapshot.name)")
                if machine.name == vm { starts.insert(snapshot.digest) }
            }
        }
        for experiment in try catalogue.experiments() {
            try add(experiment.digest, as: experiment.name.text)
        }

        for (digest, member) in members {
            for parent in member.commit.parents { members[parent]?.children.append(digest) }
        }
        if vm != nil { members = Self.family(of: starts, in: members) }
        let all = members
        for digest in all.keys {
            members[digest]?.children.sort { Self.isOlder($0, $1, in: all) }
            members[digest]?.names.sort()
        }
        self.members = members
        roots = all.keys
            .filter { !(all[$0]?.commit.parents.contains { all[$0] != nil } ?? false) }
            .sorted { Self.isOlder($0, $1, in: all) }
    }

    /// The members from which `starts` descend, and all their descendants.
    private static func family(of starts: Set<Digest>, in members: [Digest: Member]) -> [Digest: Member] {
        var ancestors: Set<Digest> = []
        var pending = Array(starts)
        while let digest = pending.popLast() {
            guard ancestors.insert(digest).inserted, let member = members[digest] else { continue }
            pending.append(contentsOf: member.commit.parents)
        }
        var family: [Digest: Member] = [:]
        pending = Array(ancestors)
        while let digest = pending.popLast() {
            guard family[digest] == nil, let member = members[digest] else { continue }
            family[digest] = member
            pending.append(contentsOf: member.children)
        }
        return family
    }

    private static func isOlder(_ a: Digest, _ b: Digest, in members: [Digest: Member]) -> Bool {
        guard let first = members[a]?.commit.time, let second = members[b]?.commit.time, first != second else {
            return a < b
        }
        return first < second
    }
}
