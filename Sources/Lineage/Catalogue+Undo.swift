import ContentStore

/// What an undo does: every ref that an operation changed goes back to what it was before.
package struct Reversal: Sendable {
    /// One name that goes back.
    package struct Step: Sendable {
        package let subject: RefSubject
        package let ref: String
        /// What the ref names now, as the operation left it.
        package let now: Digest?
        /// What it named before the operation, and will name again; nil when there was no such name.
        package let then: Digest?
    }

    /// The operation that is undone.
    package let operation: Operation
    package let steps: [Step]

    /// The VMs whose names change.
    package var vms: [Name] { Set(steps.compactMap(\.subject.vm)).sorted() }
}

/// The operation log and going back in it.
extension Catalogue {
    /// How to undo operation `number`, or the last one that changed something. Nothing is changed.
    ///
    /// - Throws: `notFound` when there is no such operation, `changed` when one of its refs is not as the operation left it
    ///   any more.
    package func reversal(of number: UInt64? = nil) throws -> Reversal {
        let operations = try store.operations()
        let wanted =
            number.map { number in operations.first { $0.number == number } }
            ?? operations.last { $0.changes.contains(where: \.applied) }
        guard let operation = wanted else {
            throw LineageError(
                .notFound,
                number.map { "There is no operation \($0). 'stemma undo --list' shows what there is." }
                    ?? "Nothing was done in this store yet, so there is nothing to undo.")
        }
        let steps = operation.changes.filter { $0.applied && $0.old != $0.new }.map {
            Reversal.Step(subject: RefSubject(ref: $0.ref), ref: $0.ref, now: $0.new, then: $0.old)
        }
        guard !steps.isEmpty else {
            throw LineageError(.notFound, "Operation \(operation.number) changed nothing: there is nothing to undo.")
        }
        for step in steps {
            guard try store.ref(step.ref) == step.now else { throw changed(step, after: operation, in: operations) }
        }
        return Reversal(operation: operation, steps: steps)
    }

    /// Undoes an operation, as a new operation: to undo that one is to do the first again.
    ///
    /// - Throws: `gone` when the collector freed something that would come back.
    @discardableResult
    package func undo(_ reversal: Reversal) throws -> Operation {
        let operation = reversal.operation
        // What comes back is made before what goes is dropped: a crash between leaves both.
        let steps = reversal.steps.filter { $0.then != nil } + reversal.steps.filter { $0.then == nil }
        let changes = steps.map { RefChange($0.ref, expected: .some($0.now), new: $0.then) }
        do throws(StoreError) {
            return try store.updateRefs(
                changes, operation: "undo \(operation.number) (\(Self.short(operation.operation)))")
        } catch {
            guard error.code == .notFound else { throw error }
            throw LineageError(
                .gone,
                "Operation \(operation.number) (\(operation.operation)) cannot be undone: 'stemma store gc' has freed "
                    + "something that would come back (\(error.message)).")
        }
    }

    /// The words of an operation, without the history of an undo of an undo.
    private static func short(_ label: String) -> String {
        guard label.hasPrefix("undo "), let end = label.firstIndex(of: "(") else { return label }
        return String(label[..<end]).trimmed
    }

    private func changed(_ step: Reversal.Step, after operation: Operation, in operations: [Operation]) -> LineageError
    {
        let later = operations.last { later in
            later.number > operation.number && later.changes.contains { $0.ref == step.ref && $0.applied }
        }
        return LineageError(
            .changed,
            "Operation \(operation.number) (\(operation.operation)) cannot be undone: \(step.subject) was changed again"
                + (later.map { " by operation \($0.number) (\($0.operation)). Undo that one first." }
                    ?? "; 'stemma undo --list' shows by what."))
    }
}

extension String {
    fileprivate var trimmed: String {
        var text = Substring(self)
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
