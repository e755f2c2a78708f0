import ContentStore

/// What objects in the store are compressed with.
package struct StoreCompression: Sendable, Hashable {
    package let compression: Compression

    /// Parses `none`, `lz4`, `zstd` (level 3) or `zstd:LEVEL` with a level of 1 to 19.
    package init?(parsing text: String) {
        switch text {
        case "none": compression = .none
        case "lz4": compression = .lz4
        case "zstd": compression = .zstd(level: 3)
        default:
            guard text.hasPrefix("zstd:"), let level = Int32(text.dropFirst("zstd:".count)), (1...19).contains(level)
            else { return nil }
            compression = .zstd(level: level)
        }
    }
}
