import GuestInspection

/// Guest RAM with edits: pages that were written to are kept here, all others are those of the snapshot.
///
/// It is a value: a copy taken before a pass is the way back if the pass refuses in the middle.
package struct MemoryOverlay: GuestMemory {
    /// The snapshot's RAM.
    package let base: any GuestMemory
    /// The changed pages with their new contents, by guest-physical page number.
    package private(set) var changedPages: [UInt64: [UInt8]] = [:]
    /// All changes in the order in which they were made.
    package private(set) var changes: [MemoryChange] = []

    /// RAM without edits.
    package init(_ base: any GuestMemory) { self.base = base }

    package var pages: [Range<UInt64>] { base.pages }

    package func read(page: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> Bool {
        guard let changed = changedPages[page] else { return try base.read(page: page, into: buffer) }
        buffer.copyBytes(from: changed)
        return true
    }

    /// Overwrites bytes at a guest-physical address; all of them have to be RAM. Bytes that are there already are no change.
    ///
    /// - Parameter subject: what the bytes are, for people.
    package mutating func write(
        _ bytes: [UInt8], at address: UInt64, subject: String
    ) throws(GuestMemoryError) {
        let before = try self.bytes(at: address, count: bytes.count)
        guard before != bytes else { return }
        var position = address
        var done = 0
        while done < bytes.count {
            let page = position / Self.pageSize
            let offset = Int(position % Self.pageSize)
            let count = min(Int(Self.pageSize) - offset, bytes.count - done)
            var contents = try contents(ofPage: page)
            contents.replaceSubrange(offset..<offset + count, with: bytes[done..<done + count])
            changedPages[page] = contents
            done += count
            position &+= UInt64(count)
        }
        changes.append(MemoryChange(address: address, subject: subject, before: before, after: bytes))
    }

    /// Overwrites a little-endian integer at a guest-physical address.
    package mutating func write<Value: FixedWidthInteger & UnsignedInteger>(
        _ value: Value, at address: UInt64, subject: String
    ) throws(GuestMemoryError) {
        let bytes = (0..<MemoryLayout<Value>.size).map { UInt8(truncatingIfNeeded: value >> Value(8 * $0)) }
        try write(bytes, at: address, subject: subject)
    }
}
