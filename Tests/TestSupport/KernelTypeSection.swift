/// Writes type information as the build of Linux does ("BTF").
package struct KernelTypeSection {
    private var strings: [UInt8] = [0]
    private var types: [UInt8] = []
    private var count: UInt32 = 0

    /// An empty section.
    package init() {}

    /// Offset of a name among the strings.
    package mutating func string(_ text: String) -> UInt32 {
        guard !text.isEmpty else { return 0 }
        defer { strings += Array(text.utf8) + [0] }
        return UInt32(strings.count)
    }

    /// Adds a type, and gives its number.
    ///
    /// - Parameters:
    ///   - kind: as in the format.
    ///   - size: bytes, or the type that this one refers to.
    ///   - items: members, enumerators or parameters.
    ///   - details: what follows the fixed part.
    package mutating func type(
        _ kind: UInt32, _ name: String = "", _ size: UInt32, count items: UInt32 = 0, flag: Bool = false,
        _ details: [UInt32] = []
    ) -> UInt32 {
        types += Self.words([string(name), (flag ? 1 << 31 : 0) | kind << 24 | items, size] + details)
        count += 1
        return count
    }

    /// Adds a structure of members with types and offsets in bytes.
    package mutating func structure(_ name: String, size: UInt32, _ members: [(name: String, type: UInt32, at: UInt32)])
    {
        let details = members.flatMap { [string($0.name), $0.type, 8 * $0.at] }
        _ = type(4, name, size, count: UInt32(members.count), details)
    }

    /// The section.
    package var bytes: [UInt8] {
        let sizes = [24, 0, UInt32(types.count), UInt32(types.count), UInt32(strings.count)]
        return [0x9f, 0xeb, 0x01, 0x00] + Self.words(sizes) + types + strings
    }

    private static func words(_ values: [UInt32]) -> [UInt8] {
        values.flatMap { value in withUnsafeBytes(of: value.littleEndian) { Array($0) } }
    }
}
