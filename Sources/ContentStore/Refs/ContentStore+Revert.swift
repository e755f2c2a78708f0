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
        // By the bytes of names, as in their files: strings are equal when they only look the same.
        var order: [[UInt8]] = []
        var changes: [[UInt8]: RefChange] = [:]
        for operation in operations.reversed() {
            for change in operation.changes where change.applied && change.old != change.new {
                let name = Array(change.ref.utf8)
                if let later = changes[name] {
                    guard later.new == change.new else {
                        throw StoreError(
                            .conflict,
                            "ref \(change.ref) was changed between these operations without an entry in the log; "
                                + "undo them one by one", path: path)
                    }
                    changes[name]?.new = change.old
                } else {
                    order.append(name)
                    changes[name] = RefChange(change.ref, expected: .some(change.new), new: change.old)
                }
            }
        }
        return order.compactMap { changes[$0] }.filter { $0.expected != .some($0.new) }
    }

    /// Says which later operation stands in the way.
    private func conflict(
        _ changes: [RefChange], after number: UInt64, _ log: [Operation], _ error: StoreError
    ) -> StoreError {
        let names = Set(changes.map { Array($0.name.utf8) })
        func isInTheWay(_ change: Operation.Change) -> Bool { change.applied && names.contains(Array(change.ref.utf8)) }
        let later = log.last { $0.number > number && $0.changes.contains(where: isInTheWay) }
        guard let later, let ref = later.changes.first(where: isInTheWay)?.ref else {
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
