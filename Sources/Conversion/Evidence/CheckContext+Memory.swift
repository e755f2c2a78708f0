import GuestInspection
import VMState

extension CheckContext {
    /// What RAM answers.
    enum MemoryAnswer: Sendable, Hashable {
        case bytes([UInt8])
        /// No RAM is at the address.
        case notMemory
        /// RAM cannot be read here.
        case unreadable
    }

    /// Bytes at a guest-physical address.
    ///
    /// - Throws: only for failures of the storage.
    func read(_ address: UInt64, count: Int) throws(VMStateError) -> MemoryAnswer {
        guard let memory else { return .unreadable }
        do throws(GuestMemoryError) {
            return .bytes(try memory.bytes(at: address, count: count))
        } catch {
            guard error.code != .notMemory else { return .notMemory }
            throw VMStateError(.io, "the guest's memory cannot be read", section: "memory", cause: "\(error)")
        }
    }
}

/// Little-endian integers in bytes of guest memory.
extension [UInt8] {
    /// An integer at an offset; zero behind the end, which callers exclude by the length they asked for.
    func littleEndian<Value: FixedWidthInteger & UnsignedInteger>(_ offset: Int, as type: Value.Type = Value.self)
        -> Value
    {
        let size = MemoryLayout<Value>.size
        guard offset >= 0, offset + size <= count else { return 0 }
        return self[offset..<offset + size].reversed().reduce(0) { $0 << 8 | Value($1) }
    }
}

extension CPUSection {
    /// The first field of a subsection that consists of integers, or nil if the CPU does not have it.
    func first(of subsection: String, bytes size: Int = 8) throws(VMStateError) -> UInt64? {
        guard hasSubsection(subsection) else { return nil }
        let bytes = try section.bytes(subsection)
        guard bytes.count >= size else {
            throw VMStateError(
                .inconsistent, "the subsection has \(bytes.count) bytes, at least \(size) were expected",
                section: section.name, field: subsection)
        }
        return bytes[..<size].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Bytes of a subsection that are not zero.
    func isInert(_ subsection: String) throws(VMStateError) -> Bool {
        try section.bytes(subsection).allSatisfy { $0 == 0 }
    }
}

extension MigrationStream {
    /// Names of the subsections of a section, as the description has them.
    func subsections(of section: DeviceSection) -> [String] {
        description?.device(section.idstr, section.instanceID)?.subsections ?? []
    }
}
