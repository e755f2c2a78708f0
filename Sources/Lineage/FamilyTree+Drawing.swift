import ContentStore

extension FamilyTree {
    /// One line of the drawing: the lines of the tree, and the member they lead to.
    package struct Line: Sendable {
        package let rails: String
        package let member: Member
    }

    /// The members in the order of a drawing, each parent above its children.
    ///
    /// An only child stands straight below its parent, so that a long line of generations does not move to the right;
    /// several children branch off. A commit with two parents in the tree is drawn below one of them only.
    package func drawing() -> [Line] {
        struct Pending {
            let digest: Digest
            let rails: String
            let childRails: String
        }
        var lines: [Line] = []
        var drawn: Set<Digest> = []
        var stack = roots.reversed().map { Pending(digest: $0, rails: "", childRails: "") }
        while let next = stack.popLast() {
            guard let member = members[next.digest], drawn.insert(next.digest).inserted else { continue }
            lines.append(Line(rails: next.rails + "● ", member: member))
            let children = member.children.filter { !drawn.contains($0) }
            if children.count == 1 {
                stack.append(Pending(digest: children[0], rails: next.childRails, childRails: next.childRails))
                continue
            }
            for (position, child) in children.enumerated().reversed() {
                let isLast = position == children.count - 1
                stack.append(
                    Pending(
                        digest: child, rails: next.childRails + (isLast ? "└─" : "├─"),
                        childRails: next.childRails + (isLast ? "  " : "│ ")))
            }
        }
        return lines
    }
}
