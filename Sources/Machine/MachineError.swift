/// Why the machine could not be made, loaded or read. Guest faults are not errors: see `GuestException` and `Exit`.
package struct MachineError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: Sendable {
        /// The snapshot's processor state cannot be run by this engine.
        case unsupportedState
        /// The description of guest memory contradicts itself.
        case invalidLayout
        /// A page could not be read from its source.
        case pageUnreadable
        /// A host-side access named guest memory that is not there.
        case addressNotMapped
        /// The host has no memory left.
        case outOfMemory
    }

    package let code: Code
    package let message: String
    /// The underlying error's text, if there was one.
    package let cause: String?

    package init(_ code: Code, _ message: String, cause: String? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    package var description: String { cause.map { "\(message) (\($0))" } ?? message }
}
