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
    package let attributes: [String: String]
}

/// The lineage of a VM, or of all.
package struct LineageLog: Sendable {
    private let tree: FamilyTree

    init(_ tree: FamilyTree) { self.tree = tree }

    /// Parents before their children.
    package var entries: [LogEntry] {
        tree.drawing().map { line in
            let commit = line.member.commit
            return LogEntry(
                commit: line.member.digest.hex, parents: commit.parents.map(\.hex), kind: commit.kind,
                names: line.member.names, time: commit.time.iso8601, message: commit.message,
                attributes: commit.attributes)
        }
    }

    /// One line a commit; as a tree, or the newest first.
    package func text(asGraph: Bool) -> String {
        let lines = tree.drawing()
        if asGraph {
            let heads = lines.map { $0.rails + heading($0.member) }
            let width = min(heads.map(\.count).max() ?? 0, 64)
            return zip(heads, lines).map { head, line in
                head + String(repeating: " ", count: max(1, width - head.count + 2)) + facts(line.member)
            }.joined(separator: "\n")
        }
        return lines.map(\.member).sorted { $0.commit.time > $1.commit.time }
            .map { "\($0.digest.short)  \(heading($0))  \(facts($0))" }.joined(separator: "\n")
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
            facts.append(commit.edge == .experiment ? "of \(source)" : "from \(source)")
        }
        return facts.joined(separator: "  ")
    }
}

extension Stemma {
    /// The family of `vm`, or of all VMs.
    package func log(of vm: Name?) throws -> LineageLog {
        if let vm { _ = try catalogue.vm(vm) }
        return LineageLog(try FamilyTree(of: vm, in: catalogue))
    }
}
