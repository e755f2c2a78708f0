/// An error of the lineage: what happened, and what to do about it.
package struct LineageError: Error, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// No VM, snapshot or experiment has this name.
        case notFound
        /// The name is taken.
        case exists
        /// The text cannot be a name.
        case badName
        /// What an operation did was changed again, so that it cannot be undone alone.
        case changed
        /// The collector has freed what would be needed.
        case gone
        /// A commit lacks what its kind promises.
        case malformed
        /// The store said no; `message` carries its words.
        case store
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
