import ContentStore
import Lineage

/// One change of a name, in the JSON of operations.
package struct NameChange: Sendable, Codable {
    /// What it is the name of, in words: `VM Mini`, `snapshot Mini:booted`.
    package let subject: String
    package let ref: String
    /// The commit before; nil when there was no such name.
    package let old: String?
    /// The commit after; nil when the name was dropped.
    package let new: String?
    /// False when a crash or an error came before.
    package let applied: Bool

    fileprivate init(_ change: Operation.Change) {
        subject = RefSubject(ref: change.ref).description
        ref = change.ref
        old = change.old?.hex
        new = change.new?.hex
        applied = change.applied
    }

    fileprivate init(_ step: Reversal.Step) {
        subject = step.subject.description
        ref = step.ref
        old = step.now?.hex
        new = step.then?.hex
        applied = true
    }

    /// `+ snapshot Mini:booted`, `- VM Mini`, `~ VM Mini  1234 → 5678`.
    package var text: String {
        func short(_ hex: String) -> Substring { hex.prefix(12) }
        let words: String
        switch (old, new) {
        case (nil, let new?): words = "+ \(subject)  \(short(new))"
        case (let old?, nil): words = "- \(subject)  \(short(old))"
        case (let old?, let new?): words = "~ \(subject)  \(short(old)) → \(short(new))"
        case (nil, nil): words = "  \(subject)"
        }
        return applied ? words : words + "  (not done)"
    }
}

/// One entry of the operation log: the JSON of `stemma operation list`.
package struct OperationListing: Sendable, Encodable {
    package let number: UInt64
    /// What the user did.
    package let operation: String
    /// ISO 8601, UTC.
    package let time: String
    package let changes: [NameChange]
    private let moment: Timestamp

    private enum CodingKeys: String, CodingKey { case number, operation, time, changes }

    fileprivate init(_ operation: Operation) {
        number = operation.number
        self.operation = operation.operation
        time = operation.time.iso8601
        moment = operation.time
        changes = operation.changes.map(NameChange.init)
    }

    /// Cells of a table: number, time, what was done.
    package var columns: [String] { [String(number), Text.time(moment), operation] }
}

/// What an undo did, or would do: the JSON of `stemma undo`.
package struct UndoReport: Sendable, Codable {
    /// The number of the operation that is undone, and its words.
    package let undone: UInt64
    package let operation: String
    /// The number of the undo itself, which can be undone too; nil for a dry run.
    package let by: UInt64?
    package let changes: [NameChange]

    package var text: String {
        let head = by == nil ? "would undo" : "undid"
        return (["\(head) \(undone): \(operation)"] + changes.map { "  " + $0.text }).joined(separator: "\n")
    }
}

extension Stemma {
    /// The operation log, the newest first.
    package func listOperations(limit: Int? = nil) throws -> [OperationListing] {
        let operations = try store.operations().reversed()
        return (limit.map { Array(operations.prefix(max(0, $0))) } ?? Array(operations)).map(OperationListing.init)
    }

    /// Undoes an operation, or the last one. What a running VM stands on is not touched.
    package func undo(_ number: UInt64?, isDryRun: Bool = false) throws -> UndoReport {
        let reversal = try catalogue.reversal(of: number)
        for vm in reversal.vms where reversal.steps.contains(where: { $0.subject == .vm(vm) }) {
            try requireStopped(vm)
        }
        let done = isDryRun ? nil : try catalogue.undo(reversal)
        return UndoReport(
            undone: reversal.operation.number, operation: reversal.operation.operation, by: done?.number,
            changes: reversal.steps.map(NameChange.init))
    }
}
