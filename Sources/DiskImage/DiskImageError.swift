/// Why an image cannot be opened, read or written.
package struct DiskImageError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: Sendable, Hashable {
        /// The file cannot be opened, or is not a regular file or block device.
        case cannotOpen
        /// The operating system failed a read or a write.
        case io
        /// The file is not of the format asked for.
        case wrongFormat
        /// A valid image with a feature that is not read here.
        case unsupported
        /// A structure contradicts the format.
        case corrupt
        /// A structure or data lies beyond the end of the file.
        case truncated
        /// The caller asked for bytes outside the disk.
        case outOfRange
        /// More extents than one answer holds.
        case tooManyExtents
        /// The backing file is remote, missing or named in a form that is not read here.
        case backingUnavailable
        /// A file occurs twice in its backing chain, or the chain is too long.
        case backingLoop
        /// No snapshot has that ID or name.
        case noSuchSnapshot
        /// A file to be written exists already.
        case exists
        /// A file cannot be made in that place.
        case cannotCreate
        /// The disk is full, or a quota or the largest file size is reached.
        case noSpace
        /// An image names a file that may not be opened for it.
        case forbiddenReference
        /// `qemu-nbd` is missing or refused the image.
        case toolFailed
    }

    package var code: Code
    /// What happened, where, and what to do.
    package var message: String
    /// The operating system's or library's own words.
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
