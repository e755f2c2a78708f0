/// Why a disk cannot be served.
package struct BlockServiceError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: Sendable, Hashable {
        /// The path is too long for a unix socket.
        case pathTooLong
        /// Something exists at the socket's path.
        case pathExists
        /// The operating system refused the socket.
        case cannotListen
        /// An export's name is empty twice, taken twice, or too long.
        case invalidExport
        /// No export has that name.
        case noSuchExport
    }

    package var code: Code
    /// What happened and what to do.
    package var message: String
    /// The operating system's own words.
    package var cause: String?

    package init(_ code: Code, _ message: String, cause: String? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    package var description: String {
        if let cause { "\(message): \(cause)" } else { message }
    }
}
