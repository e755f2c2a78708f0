import ContentStore

/// The commits that names reach, with their children: what `stemma log` shows.
package struct FamilyTree: Sendable {
    /// One commit and what is named or grown from it.
    package struct Member: Sendable {
        package let digest: Digest
        package let commit: Commit
        /// The names that point here, as a user writes them.
        package internal(set) var names: [String]
        /// Tags and notes under any of its names.
        package internal(set) var annotation = Annotation()
        /// The nearest ancestors that are in the tree.
        package internal(set) var parents: [Digest]
        package internal(set) var children: [Digest] = []
    }

    package let members: [Digest: Member]
    /// Members without a parent in the tree, oldest first.
    package let roots: [Digest]

    /// The family of `vm` - every commit that its names reach, and all that grew from those - or of all VMs.
    package init(of vm: Name?, in catalogue: Catalogue) throws {
        var members: [Digest: Member] = [:]
        var starts: Set<Digest> = []

        func add(_ named: NamedCommit, as name: String) throws {
            var pending = [named.digest]
            while let digest = pending.popLast() {
                if members[digest] != nil { continue }
                let commit = try catalogue.store.commit(digest)
                members[digest] = Member(
                    digest: digest, commit: commit, names: [], annotation: commit.annotation, parents: commit.parents)
                pending.append(contentsOf: commit.parents)
            }
            members[named.digest]?.add(name: name, named.annotation)
        }

        for machine in try catalogue.vms() {
            try add(machine.head, as: machine.name.text)
            if machine.name == vm { starts.insert(machine.head.digest) }
            for snapshot in machine.snapshots {
                try add(snapshot, as: "\(machine.name):\(snapshot.name)")
                if machine.name == vm { starts.insert(snapshot.digest) }
            }
        }
        for experiment in try catalogue.experiments() {
            try add(experiment, as: experiment.name.text)
        }

        for (digest, member) in members {
            for parent in member.parents { members[parent]?.children.append(digest) }
        }
        if vm != nil { members = Self.family(of: starts, in: members) }
        self.init(members)
    }

    /// The tree of `members`, whose parents and children are known but in no order.
    init(_ members: [Digest: Member]) {
        var sorted = members
        for digest in members.keys {
            sorted[digest]?.children.sort { Self.isOlder($0, $1, in: members) }
            sorted[digest]?.names.sort()
        }
        self.members = sorted
        roots = members.values.filter { member in !member.parents.contains { members[$0] != nil } }.map(\.digest)
            .sorted { Self.isOlder($0, $1, in: members) }
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

extension FamilyTree.Member {
    /// Notes a name with what is said about the snapshot under it: the first name brings what replaces the commit's own
    /// words, further ones (of clones) add to it.
    fileprivate mutating func add(name: String, _ said: Annotation) {
        if names.isEmpty {
            annotation = said
        } else {
            annotation.tag(said.tags)
            if annotation.note.isEmpty { annotation.note = said.note }
        }
        names.append(name)
    }
}
