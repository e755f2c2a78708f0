/// Why a disk's files cannot be read.
package struct GuestFilesError: Error, Sendable, CustomStringConvertible {
    package enum Code: Sendable, Hashable {
        /// The structures on the disk contradict themselves.
        case damaged
        /// A feature that is not supported.
        case unsupported
        /// The disk could not be read.
        case io
    }

    package let code: Code
    package let message: String
    package let cause: String?

    init(_ code: Code, _ message: String, cause: String? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    package var description: String { message + (cause.map { " (\($0))" } ?? "") }
}
