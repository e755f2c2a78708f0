/// What went wrong with a migration stream, where, and what to do about it.
package struct VMStateError: Error, Sendable, CustomStringConvertible {
    /// The kinds of failure a caller may want to tell apart.
    package enum Code: String, Sendable, Codable {
        /// The source ends in the middle of something.
        case truncated
        /// Bytes that no QEMU writes at this place.
        case malformed
        /// A valid stream that uses something this module does not handle.
        case unsupported
        /// Two parts of the stream contradict each other (sizes, footers, description).
        case inconsistent
        /// A section, field or RAM block that was asked for is not there.
        case notFound
        /// A count or length above the limit that is set for it.
        case limit
        /// Reading the source or writing the output failed.
        case io
        /// The receiver or the source of RAM pages failed; the reason is in `underlying`.
        case pages
    }

    /// The kind of failure.
    package var code: Code
    /// What happened and what to do, in words for users.
    package var message: String
    /// Byte offset in the stream, where known.
    package var offset: UInt64?
    /// Name of the section (for example `cpu#1`), where known.
    package var section: String?
    /// Path of the field, where known.
    package var field: String?
    /// Name of the file, where known.
    package var file: String?
    /// Text of a lower-level cause (for example of errno).
    package var cause: String?
    /// The error that a page sink or provider threw.
    package var underlying: (any Error)?

    /// Makes an error.
    package init(
        _ code: Code, _ message: String, offset: UInt64? = nil, section: String? = nil, field: String? = nil,
        file: String? = nil, cause: String? = nil, underlying: (any Error)? = nil
    ) {
        self.code = code
        self.message = message
        self.offset = offset
        self.section = section
        self.field = field
        self.file = file
        self.cause = cause
        self.underlying = underlying
    }

    package var description: String {
        var places: [String] = []
        if let file { places.append(file) }
        if let offset { places.append("offset \(offset) (0x\(String(offset, radix: 16)))") }
        if let section { places.append("section \(section)") }
        if let field { places.append("field \(field)") }
        var text = places.isEmpty ? message : "\(places.joined(separator: ", ")): \(message)"
        if let cause { text += " (\(cause))" }
        if let underlying { text += " (\(underlying))" }
        return text
    }
}

extension VMStateError {
    /// The same error with the section filled in where it was missing.
    func inSection(_ name: String) -> VMStateError {
        var copy = self
        if copy.section == nil { copy.section = name }
        return copy
    }

    /// The same error with the file filled in where it was missing.
    package func inFile(_ name: String) -> VMStateError {
        var copy = self
        if copy.file == nil { copy.file = name }
        return copy
    }
}
