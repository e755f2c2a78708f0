/// One entry of the operation log: refs that were changed together.
package struct Operation: Hashable, Sendable, Codable {
    package struct Change: Hashable, Sendable, Codable {
        package var ref: String
        /// The value before, nil when there was no such ref.
        package var old: Digest?
        /// The value after, nil when the ref was removed.
        package var new: Digest?
        /// False when a crash or an error came before this ref was changed.
        package var applied: Bool
        /// Whether `ref` is a group of refs, and `old` and `new` are tables of them. The log has such changes only where the tables
        /// were collected.
        package var isTable = false

        private enum CodingKeys: CodingKey {
            case ref, old, new, applied
        }

        package init(ref: String, old: Digest?, new: Digest?, applied: Bool, isTable: Bool = false) {
            self.ref = ref
            self.old = old
            self.new = new
            self.applied = applied
            self.isTable = isTable
        }
    }

    /// 1 for the first operation of a store, ascending.
    package var number: UInt64
    /// What the user did.
    package var operation: String
    package var time: Timestamp
    package var changes: [Change]

    package init(number: UInt64, operation: String, time: Timestamp, changes: [Change]) {
        self.number = number
        self.operation = operation
        self.time = time
        self.changes = changes
    }
}
