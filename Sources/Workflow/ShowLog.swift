import Foundation
import Lineage

/// One commit in `stemma log`.
package struct LogEntry: Sendable, Codable {
    package let commit: String
    package let parents: [String]
    package let kind: String
    package let names: [String]
    package let time: String
    package let message: String
    package let tags: [String]
    package let note: String
    package let attributes: [String: String]
}

/// What `stemma log` shows.
package struct LogRequest: Sendable {
    /// The family of this VM; nil for all.
    package var vm: Name?
    package var filter = LogFilter()
    /// The newest so many that the filter leaves.
    package var limit: Int?
    /// The oldest first.
    package var isReversed = false

    package init(vm: Name? = nil) { self.vm = vm }
}

/// The lineage of a VM, or of all, as far as a request wants it.
package struct LineageLog: Sendable {
    private let tree: FamilyTree
    private let isReversed: Bool

    init(_ tree: FamilyTree, isReversed: Bool) {
        self.tree = tree
        self.isReversed = isReversed
    }

    /// The newest first and children before their parents, or the other way round.
    private var members: [FamilyTree.Member] {
        let members = tree.newestFirst
        return isReversed ? members.reversed() : members
    }

    /// In the same order as the text.
    package var entries: [LogEntry] {
        members.map { member in
            let commit = member.commit
            return LogEntry(
                commit: member.digest.hex, parents: commit.parents.map(\.hex), kind: commit.kind,
                names: member.names, time: commit.time.iso8601, message: commit.message,
                tags: member.annotation.tags.map(\.text), note: member.annotation.note, attributes: commit.attributes)
        }
    }

    /// One line a commit, in the order of the request; or the drawing of a tree, in which parents stand above children.
    package func text(asGraph: Bool) -> String {
        guard asGraph else {
            return members.map { "\($0.digest.short)  \(heading($0))  \(facts($0))" }.joined(separator: "\n")
        }
        let lines = tree.drawing()
        let heads = lines.map { $0.rails + heading($0.member) }
        let width = min(heads.map(\.count).max() ?? 0, 64)
        return zip(heads, lines).map { head, line in
            head + String(repeating: " ", count: max(1, width - head.count + 2)) + facts(line.member)
        }.joined(separator: "\n")
    }

    private func heading(_ member: FamilyTree.Member) -> String {
        let names = member.names.isEmpty ? "(no name)" : member.names.joined(separator: ", ")
        return member.commit.kind.padding(toLength: 11, withPad: " ", startingAt: 0) + names
    }

    private func facts(_ member: FamilyTree.Member) -> String {
        let commit = member.commit
        var facts = [Text.time(commit.time)]
        if let accelerator = commit.attributes[Attribute.accelerator] { facts.append(Text.accelerator(accelerator)) }
        if let fixes = commit.attributes[Attribute.fixes] { facts.append("fixed \(fixes)") }
        if let outcome = commit.attributes[Attribute.outcome] { facts.append(outcome) }
        if let source = commit.attributes[Attribute.source] {
            facts.append(commit.edge == .experiment ? "of \(explored(by: member) ?? source)" : "from \(source)")
        }
        // Of other steps, the facts above say what the message does.
        let isSpoken = ![.clone, .convert, .experiment].contains(commit.edge)
        if isSpoken, !commit.message.isEmpty { facts.append(Text.firstLine(commit.message)) }
        if !member.annotation.tags.isEmpty {
            facts.append("[" + member.annotation.tags.map(\.text).joined(separator: ", ") + "]")
        }
        if !member.annotation.note.isEmpty { facts.append("“\(Text.firstLine(member.annotation.note))”") }
        return facts.joined(separator: "  ")
    }

    /// What the snapshot of an experiment is called now, if it is shown.
    private func explored(by member: FamilyTree.Member) -> String? {
        let recorded = member.commit.attributes[Attribute.source]
        guard let names = member.commit.parents.first.flatMap({ tree.members[$0]?.names }) else { return nil }
        return names.first { $0 == recorded } ?? names.first
    }
}

extension Stemma {
    /// The family of a VM, or of all VMs, as far as the filter wants it.
    package func log(_ request: LogRequest) throws -> LineageLog {
        if let vm = request.vm { _ = try catalogue.resolve(Reference(vm: vm)) }
        let tree = try FamilyTree(of: request.vm, in: catalogue).filtered(request.filter, limit: request.limit)
        return LineageLog(tree, isReversed: request.isReversed)
    }
}
