import ContentStore

/// Which members of a family to show. Every condition that is given must hold.
package struct LogFilter: Sendable {
    /// Kinds of step, any of which will do; empty for all.
    package var kinds: Set<EdgeKind> = []
    /// Tags that must all be there.
    package var tags: [Name] = []
    /// A text that the message, the note, a name or the outcome contains; case does not matter.
    package var text: String?
    /// "kvm" or "tcg".
    package var accelerator: String?
    /// The first moment that counts.
    package var since: Timestamp?
    /// The first moment that does not count any more.
    package var until: Timestamp?

    package init() {}

    /// True when nothing is asked for.
    package var isEmpty: Bool {
        kinds.isEmpty && tags.isEmpty && text == nil && accelerator == nil && since == nil && until == nil
    }

    /// Whether a member is to be shown.
    package func matches(_ member: FamilyTree.Member) -> Bool {
        let commit = member.commit
        if !kinds.isEmpty, commit.edge.map(kinds.contains) != true { return false }
        if !Set(tags).isSubset(of: member.annotation.tags) { return false }
        if let accelerator, commit.attributes[Attribute.accelerator] != accelerator { return false }
        if let since, commit.time < since { return false }
        if let until, commit.time >= until { return false }
        guard let text = text?.lowercased() else { return true }
        let outcome = commit.attributes[Attribute.outcome] ?? ""
        let places = [commit.message, member.annotation.note, outcome] + member.names
        return places.contains { $0.lowercased().contains(text) }
    }
}

extension FamilyTree {
    /// The members that `filter` and `limit` (the newest ones) leave, each under its nearest ancestors that are left.
    package func filtered(_ filter: LogFilter, limit: Int? = nil) -> FamilyTree {
        var kept = newestFirst.filter { filter.matches($0) }
        if let limit { kept = Array(kept.prefix(max(0, limit))) }
        if kept.count == members.count { return self }
        let wanted = Set(kept.map(\.digest))

        var left: [Digest: Member] = [:]
        // The nearest wanted members at or above each member; parents come first.
        var nearest: [Digest: [Digest]] = [:]
        for member in newestFirst.reversed() {
            var above: [Digest] = []
            for digest in member.parents.flatMap({ nearest[$0] ?? [] }) where !above.contains(digest) {
                above.append(digest)
            }
            guard wanted.contains(member.digest) else {
                nearest[member.digest] = above
                continue
            }
            nearest[member.digest] = [member.digest]
            var shown = member
            shown.parents = above
            shown.children = []
            left[member.digest] = shown
            for parent in above { left[parent]?.children.append(member.digest) }
        }
        return FamilyTree(left)
    }

    /// Every member, the newest first, and no parent before its children, whatever the clocks said.
    package var newestFirst: [Member] {
        // Kahn's order from the roots, always the oldest that is ready; then backwards.
        var waiting: [Digest: Int] = [:]
        var ready = Heap<Ready>()
        for member in members.values {
            let parents = member.parents.filter { members[$0] != nil }.count
            if parents == 0 { ready.insert(Ready(member)) } else { waiting[member.digest] = parents }
        }
        var order: [Member] = []
        order.reserveCapacity(members.count)
        while let next = ready.popMinimum(), let member = members[next.digest] {
            order.append(member)
            for digest in member.children {
                guard let left = waiting[digest], let child = members[digest] else { continue }
                waiting[digest] = left - 1
                if left == 1 { ready.insert(Ready(child)) }
            }
        }
        return order.reversed()
    }

    /// A member whose parents are all placed: the older comes first.
    private struct Ready: Comparable {
        let time: Timestamp
        let digest: Digest

        init(_ member: Member) {
            time = member.commit.time
            digest = member.digest
        }

        static func < (a: Ready, b: Ready) -> Bool { (a.time, a.digest) < (b.time, b.digest) }
    }
}
