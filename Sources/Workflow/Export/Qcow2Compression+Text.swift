import DiskImage

extension Qcow2WriteOptions.Compression {
    /// `none`, `zlib`, `zlib:9`, `zstd`, `zstd:3`; nil for anything else.
    package init?(text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let level = parts.count == 2 ? Int(parts[1]) : nil
        guard parts.count == 1 || (parts.count == 2 && level != nil) else { return nil }
        switch (parts.first, level) {
        case ("none", nil): self = .none
        case ("zlib", nil): self = .zlib()
        case ("zlib", let level?) where (1...9).contains(level): self = .zlib(level: level)
        case ("zstd", nil): self = .zstd()
        case ("zstd", let level?) where (1...19).contains(level): self = .zstd(level: level)
        default: return nil
        }
    }
}

extension VMExportRequest {
    /// Takes a compression by its text; false for one that qcow2 does not have.
    package mutating func setCompression(_ text: String) -> Bool {
        guard let choice = Qcow2WriteOptions.Compression(text: text) else { return false }
        compression = choice
        return true
    }
}
