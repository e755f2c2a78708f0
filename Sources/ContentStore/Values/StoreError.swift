/// What went wrong in the store, with what to do about it.
package struct StoreError: Error, Sendable, Hashable {
    /// The kinds of failure a caller may want to tell apart.
    package enum Code: String, Sendable, Hashable, CaseIterable {
        /// The object, ref, tree or store is not there.
        case notFound
        /// Bytes on disk are not the ones that were written.
        case damaged
        /// What was to be made is there already.
        case exists
        /// A ref did not have the expected value: somebody else changed it.
        case conflict
        /// The file system or quota is full.
        case noSpace
        /// The operating system refused or failed.
        case io
        /// Permission was denied.
        case permission
        /// The directory is not a content store.
        case notAStore
        /// The store was made by a newer version.
        case unsupportedVersion
        /// Another process holds what is needed.
        case busy
        /// An argument is out of range: a defect of the caller or bad input.
        case invalid
        /// The ingest has failed or finished before.
        case closed
    }

    package var code: Code
    /// What happened, to what, and what to do.
    package var message: String
    /// The file concerned, if one is.
    package var path: String?
    /// The underlying failure, such as the system's error text.
    package var cause: String?

    package init(_ code: Code, _ message: String, path: String? = nil, cause: String? = nil) {
        self.code = code
        self.message = message
        self.path = path
        self.cause = cause
    }
}

extension StoreError {
    /// Bytes are wrong or cannot be read: elsewhere in the same file they may be right.
    var isDamage: Bool { code == .damaged || code == .io }
}

extension StoreError: CustomStringConvertible {
    package var description: String {
        var text = message
        if let path { text += " [\(path)]" }
        if let cause { text += ": \(cause)" }
        return text
    }
}
