import ContentStore
import Lineage

/// What a verb that changes names did: the JSON of `vm clone`, `vm rename`, `snapshot remove` and their like.
package struct ChangeReport: Sendable, Codable {
    /// What was done, a word: `cloned`, `renamed`, `removed`, `created`.
    package let action: String
    /// What it was done to, as a user names it now, or named it.
    package let name: String
    /// What it was called before, or was made from.
    package let from: String?
    /// The number in the operation log: `stemma undo NUMBER` reverts it.
    package let operation: UInt64

    init(_ action: String, _ name: String, from: String? = nil, _ operation: Operation) {
        self.action = action
        self.name = name
        self.from = from
        self.operation = operation.number
    }
}
