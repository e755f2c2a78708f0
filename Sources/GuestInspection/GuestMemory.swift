/// The memory of a stopped guest, page by page.
package protocol GuestMemory: Sendable {
    /// The guest-physical pages that are RAM, as numbers of 4 KiB pages, upwards and without overlaps.
    var pages: [Range<UInt64>] { get }

    /// Reads a page.
    ///
    /// - Parameter buffer: 4096 bytes to fill.
    /// - Returns: false if all bytes are zero; the buffer may then be untouched.
    func read(page: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> Bool
}

/// Guest memory behind a closure.
package struct ClosureMemory: GuestMemory {
    package let pages: [Range<UInt64>]
    private let body: @Sendable (UInt64, UnsafeMutableRawBufferPointer) throws -> Bool

    /// Wraps a closure that does what `read` says.
    package init(
        pages: [Range<UInt64>], read: @escaping @Sendable (UInt64, UnsafeMutableRawBufferPointer) throws -> Bool
    ) {
        self.pages = pages
        body = read
    }

    package func read(page: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> Bool {
        try body(page, buffer)
    }
}
