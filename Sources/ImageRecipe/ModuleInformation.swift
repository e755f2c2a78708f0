/// What a kernel module says about itself in its ELF section `.modinfo`.
package struct ModuleInformation: Sendable, Hashable {
    /// The modules that it needs, in the spelling of `depends=`.
    package let dependencies: [String]

    /// Reads an ELF64 little-endian relocatable file (System V ABI, gABI 4.1, "Sections").
    ///
    /// - Returns: nil when the bytes are no such file or have no `.modinfo`.
    package init?(elf bytes: [UInt8]) {
        let file = ELFBytes(bytes)
        guard file.number(at: 0, size: 4) == 0x464C_457F, file.number(at: 4, size: 2) == 0x0102,
            let table = file.number(at: 0x28, size: 8), let entrySize = file.number(at: 0x3A, size: 2),
            let count = file.number(at: 0x3C, size: 2), let namesIndex = file.number(at: 0x3E, size: 2),
            entrySize >= 64, namesIndex < count
        else { return nil }
        func section(_ index: Int) -> (name: Int, offset: Int, size: Int)? {
            let (start, overflow) = table.addingReportingOverflow(index * entrySize)
            guard !overflow, let name = file.number(at: start, size: 4),
                let offset = file.number(at: start, plus: 0x18, size: 8),
                let size = file.number(at: start, plus: 0x20, size: 8)
            else { return nil }
            return (name, offset, size)
        }
        guard let names = section(namesIndex) else { return nil }
        for index in 0..<count {
            guard let candidate = section(index) else { return nil }
            let (nameOffset, overflow) = names.offset.addingReportingOverflow(candidate.name)
            guard !overflow, file.text(at: nameOffset) == ".modinfo" else { continue }
            guard let content = file.slice(at: candidate.offset, size: candidate.size) else { return nil }
            let fields = content.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            dependencies = fields.filter { $0.hasPrefix("depends=") }
                .flatMap { $0.dropFirst("depends=".count).split(separator: ",").map(String.init) }
            return
        }
        return nil
    }
}

/// Bounds-checked little-endian reads.
private struct ELFBytes {
    let bytes: [UInt8]

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    func slice(at offset: Int, size: Int) -> ArraySlice<UInt8>? {
        guard offset >= 0, size >= 0, offset <= bytes.count, size <= bytes.count - offset else { return nil }
        return bytes[offset..<(offset + size)]
    }

    /// A number of at most eight bytes that fits a non-negative `Int`.
    func number(at offset: Int, plus: Int = 0, size: Int) -> Int? {
        let (start, overflow) = offset.addingReportingOverflow(plus)
        guard !overflow, let field = slice(at: start, size: size) else { return nil }
        return Int(exactly: field.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    }

    /// The bytes up to the next NUL, at most 64 of them.
    func text(at offset: Int) -> String? {
        guard offset >= 0, offset < bytes.count else { return nil }
        return String(decoding: bytes[offset...].prefix(64).prefix { $0 != 0 }, as: UTF8.self)
    }
}
