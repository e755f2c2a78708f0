import Conversion

/// What `stemma check --explain` tells.
package struct CheckExplanation: Sendable, Codable {
    package let check: String
    package let title: String
    package let explanation: String
    /// The id of the automatic fix, if there is one.
    package let fix: String?

    package var text: String {
        var lines = ["\(check)  \(title)", ""]
        var line = ""
        for word in explanation.split(separator: " ") {
            if line.count + word.count + 1 > 100 {
                lines.append(line)
                line = ""
            }
            line += line.isEmpty ? String(word) : " " + word
        }
        lines.append(line)
        lines.append("")
        lines.append(fix.map { "Fix: \($0), by 'stemma convert'." } ?? "There is no automatic fix.")
        return lines.joined(separator: "\n")
    }
}

extension Stemma {
    /// Tells what a check is about. No snapshot is needed.
    package static func explain(check id: String) throws -> CheckExplanation {
        guard let check = SnapshotChecks.check(id) else {
            let known = SnapshotChecks.all.map(\.id).joined(separator: ", ")
            throw WorkflowError(.usage, "There is no check '\(id)'. Known are \(known).")
        }
        return CheckExplanation(check: check.id, title: check.title, explanation: check.explanation, fix: check.fix)
    }
}
