/// Why a disk cannot be served, or its overlay not be used.
package struct BlockServiceError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: Sendable, Hashable {
        /// The path is too long for a unix socket.
        case pathTooLong
        /// Something exists at the socket's path.
        case pathExists
        /// Others may write to the directory of the socket.
        case unsafeDirectory
        /// The operating system refused the socket.
        case cannotListen
        /// An export's name is empty twice, taken twice, or too long.
        case invalidExport
        /// No export has that name.
        case noSuchExport
        /// Nothing is there.
        case notFound
        /// Another process, or another object of this one, has the overlay open.
        case inUse
        /// The overlay lies on another disk, or on one of another size.
        case otherBase
        /// The bytes of an overlay are not what was written.
        case damaged
        /// A newer program wrote the overlay.
        case unsupportedVersion
        /// The file system is full.
        case noSpace
        /// The operating system failed to read or write.
        case io
        /// The overlay is closed, or failed before and may have lost writes.
        case closed
        /// A range outside the disk, or a call out of turn.
        case invalid
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
