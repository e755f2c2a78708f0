/// An error of a use case: what happened, and what to do about it.
package struct WorkflowError: Error, Sendable, CustomStringConvertible {
    package enum Code: Sendable, Hashable {
        /// A combination of options that means nothing.
        case usage
        /// A stored object lacks what its kind promises.
        case malformed
        /// The VM is running, or another step uses it.
        case busy
        /// What was named is not there.
        case missing
        /// The name or the file exists.
        case exists
        /// A system call failed.
        case io
        /// What was asked for cannot be done on this machine.
        case unavailable
        /// The work was refused because of what a check found; fatal when true.
        case refused
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}

extension WorkflowError.Code {
    /// The kind of error that another process of Stemma told by its exit code.
    init(exitCode: Int32?) {
        self =
            switch exitCode {
            case 64: .usage
            case 65: .malformed
            case 66: .missing
            case 69: .unavailable
            case 75: .busy
            default: .io
            }
    }
}
