/// Why guest memory could not be read.
package struct GuestMemoryError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kinds of failure.
    package enum Code: String, Sendable, Hashable {
        /// No RAM answers at the address.
        case notMemory
        /// No page table entry maps the virtual address.
        case notMapped
        /// The storage behind the memory failed.
        case storage
    }

    /// The kind of failure.
    package var code: Code
    /// Guest-physical address, or virtual for `notMapped`.
    package var address: UInt64
    /// Text of a lower-level error.
    package var cause: String?

    /// Makes an error.
    package init(_ code: Code, address: UInt64, cause: String? = nil) {
        self.code = code
        self.address = address
        self.cause = cause
    }

    package var description: String {
        let place = "0x" + String(address, radix: 16)
        let text =
            switch code {
            case .notMemory: "no RAM at guest-physical address \(place)"
            case .notMapped: "the page tables map nothing at virtual address \(place)"
            case .storage: "the guest's page at \(place) cannot be read"
            }
        return cause.map { "\(text) (\($0))" } ?? text
    }
}

extension GuestMemory {
    /// Bytes of a page of guest memory.
    package static var pageSize: UInt64 { 4096 }

    /// A guest-physical page is RAM.
    package func contains(page: UInt64) -> Bool {
        // Few ranges: one per run of RAM.
        pages.contains { $0.contains(page) }
    }

    /// The 4096 bytes of a page.
    package func contents(ofPage page: UInt64) throws(GuestMemoryError) -> [UInt8] {
        guard contains(page: page) else { throw GuestMemoryError(.notMemory, address: page &* Self.pageSize) }
        var bytes = [UInt8](repeating: 0, count: Int(Self.pageSize))
        do {
            let hasData = try bytes.withUnsafeMutableBytes { try read(page: page, into: $0) }
            if !hasData { return [UInt8](repeating: 0, count: Int(Self.pageSize)) }
        } catch {
            throw GuestMemoryError(.storage, address: page &* Self.pageSize, cause: "\(error)")
        }
        return bytes
    }

    /// Bytes at a guest-physical address; they may cross pages.
    package func bytes(at address: UInt64, count: Int) throws(GuestMemoryError) -> [UInt8] {
        guard count > 0 else { return [] }
        let (last, overflow) = address.addingReportingOverflow(UInt64(count - 1))
        guard !overflow else { throw GuestMemoryError(.notMemory, address: address) }
        let first = address / Self.pageSize
        let pageSize = Int(Self.pageSize)
        for page in first...last / Self.pageSize where !contains(page: page) {
            throw GuestMemoryError(.notMemory, address: page &* Self.pageSize)
        }
        // Whole pages are read in place; those that are zero stay as they are.
        var bytes = [UInt8](repeating: 0, count: Int(last / Self.pageSize - first + 1) * pageSize)
        var page = first
        do {
            try bytes.withUnsafeMutableBytes { buffer in
                while page <= last / Self.pageSize {
                    let start = Int(page - first) * pageSize
                    let target = UnsafeMutableRawBufferPointer(rebasing: buffer[start..<start + pageSize])
                    // The buffer may have been touched all the same.
                    if try !read(page: page, into: target) { target.initializeMemory(as: UInt8.self, repeating: 0) }
                    page += 1
                }
            }
        } catch {
            throw GuestMemoryError(.storage, address: page &* Self.pageSize, cause: "\(error)")
        }
        let offset = Int(address % Self.pageSize)
        return offset == 0 && bytes.count == count ? bytes : Array(bytes[offset..<offset + count])
    }

    /// A little-endian integer at a guest-physical address.
    package func integer<Value: FixedWidthInteger & UnsignedInteger>(
        at address: UInt64, as type: Value.Type = Value.self
    ) throws(GuestMemoryError) -> Value {
        try bytes(at: address, count: MemoryLayout<Value>.size).reversed().reduce(0) { $0 << 8 | Value($1) }
    }
}
