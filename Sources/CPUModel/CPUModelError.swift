/// A text that tells of a CPU and cannot be understood, or a CPU that cannot be described as wanted.
package struct CPUModelError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: Sendable, Hashable {
        /// The text is not of the form that it should have.
        case malformed
        /// The text is of no known form at all.
        case unknownFormat
        /// No model, profile or feature of this name.
        case unknownName
        /// No CPU can be found that fulfils all conditions.
        case impossible
        /// A library of the system is not there.
        case unavailable
    }

    package let code: Code
    /// What is wrong, where, and what to do.
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
