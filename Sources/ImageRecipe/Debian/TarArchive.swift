import Foundation

/// The table of contents of a tar archive, whose data stays in the file.
///
/// Reads what GNU tar and POSIX define: ustar headers, pax headers (`x`, `g`) with `path`, `linkpath`, `size`, `uid`,
/// `gid`, `mtime` and `SCHILY.xattr.*`, and GNU's long names (`L`, `K`). Sparse entries are refused.
package struct TarArchive: Sendable {
    /// One member.
    package struct Entry: Sendable, Hashable {
        package enum Kind: Sendable, Hashable {
            /// A file whose `size` bytes are at `offset` of the archive.
            case file(offset: UInt64, size: UInt64)
            case directory
            case symbolicLink(target: String)
            /// Another name of an earlier member, by its path.
            case hardLink(path: String)
            case characterDevice(major: UInt32, minor: UInt32)
            case blockDevice(major: UInt32, minor: UInt32)
            case pipe
        }

        package var kind: Kind
        /// Permission bits.
        package var mode: UInt16
        package var owner: UInt32
        package var group: UInt32
        /// Seconds since 1970.
        package var modified: Int64
        /// Extended attributes by their full names.
        package var attributes: [String: [UInt8]] = [:]
    }

    package let path: String
    /// By absolute path; the root itself is `/`.
    package private(set) var entries: [String: Entry] = [:]

    /// Reads the headers of an archive.
    ///
    /// - Throws: `unreadable`.
    package init(path: String) throws(RecipeError) {
        self.path = path
        do {
            let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            defer { try? file.close() }
            try read(file)
        } catch let error as RecipeError {
            throw error
        } catch {
            throw RecipeError(
                .unreadable, "The archive '\(path)' cannot be read.", cause: error.localizedDescription)
        }
    }

    /// What headers say about the next member.
    private struct Override {
        var values: [String: [UInt8]] = [:]

        func text(_ key: String) -> String? { values[key].map { String(decoding: $0, as: UTF8.self) } }
        func number(_ key: String) -> Int64? {
            // Times may have a fraction.
            text(key).flatMap { $0.split(separator: ".").first }.flatMap { Int64($0) }
        }
    }

    private static let block: UInt64 = 512
    /// Longest extension header that is read: names and attributes, never content.
    private static let longestExtension: UInt64 = 1 << 20

    private mutating func read(_ file: FileHandle) throws {
        var offset: UInt64 = 0
        var next = Override()
        let size = try file.seekToEnd()
        while offset + Self.block <= size {
            let header = try bytes(of: file, at: offset, count: Self.block)
            if header.allSatisfy({ $0 == 0 }) { return }
            guard checksumFits(header) else { throw damaged(offset, "its checksum is wrong") }
            guard var length = Self.number(header[124..<136]) else { throw damaged(offset, "its size is no number") }
            if let override = next.number("size") {
                guard let size = UInt64(exactly: override) else { throw damaged(offset, "its size is negative") }
                length = size
            }
            let data = offset + Self.block
            guard length <= size - data else { throw damaged(offset, "its data is beyond the end") }
            let type = header[156]
            switch type {
            case UInt8(ascii: "x"):
                next = try pax(bytes(of: file, at: data, count: length), at: offset)
            case UInt8(ascii: "g"): break
            case UInt8(ascii: "L"):
                next.values["path"] = Array(try bytes(of: file, at: data, count: length).prefix { $0 != 0 })
            case UInt8(ascii: "K"):
                next.values["linkpath"] = Array(try bytes(of: file, at: data, count: length).prefix { $0 != 0 })
            default:
                try add(header, override: next, data: data, size: length, at: offset)
                next = Override()
            }
            offset = data + (length + Self.block - 1) / Self.block * Self.block
        }
        throw damaged(offset, "the end mark is missing; the archive is cut off")
    }

    private mutating func add(
        _ header: [UInt8], override: Override, data: UInt64, size: UInt64, at offset: UInt64
    ) throws(RecipeError) {
        let name = override.text("path") ?? Self.name(header)
        let target = override.text("linkpath") ?? Self.text(header[157..<257])
        guard let path = Self.absolute(name) else { throw damaged(offset, "its name '\(name)' leaves the archive") }
        func field(_ range: Range<Int>, _ key: String?, _ what: String) throws(RecipeError) -> Int64 {
            if let key, let value = override.number(key) { return value }
            guard let value = Self.number(header[range]).flatMap({ Int64(exactly: $0) }) else {
                throw damaged(offset, "its \(what) is no number")
            }
            return value
        }
        let device = (major: UInt32(clamping: try field(329..<337, nil, "device")),
            minor: UInt32(clamping: try field(337..<345, nil, "device")))
        let kind: Entry.Kind
        switch header[156] {
        case 0, UInt8(ascii: "0"), UInt8(ascii: "7"): kind = .file(offset: data, size: size)
        case UInt8(ascii: "1"):
            guard let other = Self.absolute(target) else { throw damaged(offset, "its link leaves the archive") }
            kind = .hardLink(path: other)
        case UInt8(ascii: "2"): kind = .symbolicLink(target: target)
        case UInt8(ascii: "3"): kind = .characterDevice(major: device.major, minor: device.minor)
        case UInt8(ascii: "4"): kind = .blockDevice(major: device.major, minor: device.minor)
        case UInt8(ascii: "5"): kind = .directory
        case UInt8(ascii: "6"): kind = .pipe
        default: throw damaged(offset, "its type \(header[156]) is unknown")
        }
        let prefix = "SCHILY.xattr."
        entries[path] = Entry(
            kind: kind, mode: UInt16(try field(100..<108, nil, "mode") & 0o7777),
            owner: UInt32(clamping: try field(108..<116, "uid", "owner")),
            group: UInt32(clamping: try field(116..<124, "gid", "group")),
            modified: try field(136..<148, "mtime", "time"),
            attributes: Dictionary(
                override.values.filter { $0.key.hasPrefix(prefix) }.map { (String($0.key.dropFirst(prefix.count)), $0.value) },
                uniquingKeysWith: { $1 }))
    }

    /// Records of a pax header: `LENGTH KEY=VALUE\n`, where the length counts the whole record.
    private func pax(_ bytes: [UInt8], at offset: UInt64) throws(RecipeError) -> Override {
        var result = Override()
        var rest = bytes[...]
        while let first = rest.first, first != 0 {
            guard let space = rest.firstIndex(of: UInt8(ascii: " ")),
                let length = Int(String(decoding: rest[..<space], as: UTF8.self)),
                length > space - rest.startIndex + 1, length <= rest.count
            else { throw damaged(offset, "an extended header is malformed") }
            let record = rest[(space + 1)..<(rest.startIndex + length - 1)]
            guard let equals = record.firstIndex(of: UInt8(ascii: "=")) else {
                throw damaged(offset, "an extended header has a record without '='")
            }
            let key = String(decoding: record[..<equals], as: UTF8.self)
            guard !key.hasPrefix("GNU.sparse") else { throw damaged(offset, "it is sparse, which is not supported") }
            result.values[key] = Array(record[(equals + 1)...])
            rest = rest[(rest.startIndex + length)...]
        }
        return result
    }

    private func bytes(of file: FileHandle, at offset: UInt64, count: UInt64) throws -> [UInt8] {
        guard count <= Self.longestExtension else { throw damaged(offset, "a header has \(count) bytes") }
        try file.seek(toOffset: offset)
        let data = try file.read(upToCount: Int(count)) ?? Data()
        guard data.count == Int(count) else { throw damaged(offset, "the archive is cut off") }
        return [UInt8](data)
    }

    private func damaged(_ offset: UInt64, _ what: String) -> RecipeError {
        RecipeError(
            .unreadable, "The archive '\(path)' is damaged at byte \(offset): \(what). Build the image again.")
    }

    /// The sum of the header's bytes, the checksum's own field as spaces.
    private func checksumFits(_ header: [UInt8]) -> Bool {
        var sum: UInt64 = 8 * 0x20
        for (index, byte) in header.enumerated() where !(148..<156).contains(index) { sum += UInt64(byte) }
        return Self.number(header[148..<156]) == sum
    }

    /// An octal number, or GNU's base-256 form whose first bit is set.
    private static func number(_ field: ArraySlice<UInt8>) -> UInt64? {
        guard let first = field.first else { return nil }
        if first == 0x80 {
            guard field.dropFirst().dropLast(8).allSatisfy({ $0 == 0 }) || field.count <= 8 else { return nil }
            return field.dropFirst().suffix(8).reduce(0) { $0 << 8 | UInt64($1) }
        }
        let digits = field.drop { $0 == 0x20 }.prefix { $0 != 0 && $0 != 0x20 }
        if digits.isEmpty { return 0 }
        return UInt64(String(decoding: digits, as: UTF8.self), radix: 8)
    }

    private static func text(_ field: ArraySlice<UInt8>) -> String {
        String(decoding: field.prefix { $0 != 0 }, as: UTF8.self)
    }

    private static func name(_ header: [UInt8]) -> String {
        let name = text(header[0..<100])
        // GNU's own format ("ustar  ") keeps times in the place of the prefix.
        let prefix = header[257..<263].elementsEqual("ustar\0".utf8) ? text(header[345..<500]) : ""
        return prefix.isEmpty ? name : prefix + "/" + name
    }

    /// `./a/b/` as `/a/b`; nil when it has `..`.
    private static func absolute(_ name: String) -> String? {
        let parts = name.split(separator: "/").filter { $0 != "." }
        return parts.contains("..") ? nil : "/" + parts.joined(separator: "/")
    }
}
