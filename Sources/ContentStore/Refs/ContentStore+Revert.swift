extension ContentStore {
    /// Undoes one operation, as a new operation: every ref that it changed gets the value from before.
    ///
    /// Undoing an undo does the first operation again. Nothing is changed, and the error is `conflict`, when a ref is no longer what
    /// the operation made of it; `notFound` means that there is no such operation, or that what a ref named before was collected.
    ///
    /// - Parameters:
    ///   - number: the number of the operation in the log; nil for the last one.
    ///   - label: what the log says; by default `undo <number>: <what it did>`.
    @discardableResult
    package func revert(_ number: UInt64? = nil, operation label: String? = nil) throws(StoreError) -> Operation {
        guard let last = try operations().last else {
            throw StoreError(.notFound, "the operation log is empty: there is nothing to undo", path: path)
        }
        let number = number ?? last.number
        return try revert(through: number...number, operation: label)
    }

    /// Undoes several operations that follow one another, as one new operation: see ``revert(_:operation:)``.
    @discardableResult
    package func revert(
        through numbers: ClosedRange<UInt64>, operation label: String? = nil
    ) throws(StoreError) -> Operation {
        let log = try operations()
        let chosen = log.filter { numbers.contains($0.number) }
        guard let first = chosen.first, let newest = chosen.last, first.number == numbers.lowerBound,
            newest.number == numbers.upperBound
        else {
            throw StoreError(
                .notFound,
                "the log has no operation \(numbers.upperBound) (or its entry is damaged); `stemma log` lists what there is",
                path: path)
        }
        let changes = try ContentStore.reversal(of: chosen, path: path)
        guard !changes.isEmpty else {
            throw StoreError(
                .invalid, "operation \(newest.number) changed no ref: there is nothing to undo", path: path)
        }
        let what =
            chosen.count == 1
            ? "undo \(first.number): \(first.operation)" : "undo \(first.number) to \(newest.number)"
        do throws(StoreError) {
            return try updateRefs(changes, operation: label ?? what)
        } catch {
            guard error.code == .conflict || error.code == .exists else { throw error }
            throw conflict(changes, after: newest.number, log, error)
        }
    }

    /// The changes that lead from after some operations to before them.
    private static func reversal(of operations: [Operation], path: String) throws(StoreError) -> [RefChange] {
        var order: [String] = []
        var changes: [String: RefChange] = [:]
        for operation in operations.reversed() {
            for change in operation.changes where change.applied && change.old != change.new {
                if let later = changes[change.ref] {
                    guard later.new == change.new else {
                        throw StoreError(
                            .conflict,
                            "ref \(change.ref) was changed between these operations without an entry in the log; "
                                + "undo them one by one", path: path)
                    }
                    changes[change.ref]?.new = change.old
                } else {
                    order.append(change.ref)
                    changes[change.ref] = RefChange(change.ref, expected: .some(change.new), new: change.old)
                }
            }
        }
        return order.compactMap { changes[$0] }.filter { $0.expected != .some($0.new) }
    }

    /// Says which later operation stands in the way.
    private func conflict(
        _ changes: [RefChange], after number: UInt64, _ log: [Operation], _ error: StoreError
    ) -> StoreError {
        let names = Set(changes.map(\.name))
        let later = log.last { operation in
            operation.number > number && operation.changes.contains { $0.applied && names.contains($0.ref) }
        }
        guard let later, let ref = later.changes.first(where: { $0.applied && names.contains($0.ref) })?.ref else {
            return StoreError(
                .conflict, "operation \(number) cannot be undone: something it changed has changed since",
                path: path, cause: error.message)
        }
        return StoreError(
            .conflict,
            "operation \(number) cannot be undone: ref \(ref) was changed since by operation \(later.number) "
                + "(\(later.operation)); undo that one first", path: path, cause: error.message)
    }
}
