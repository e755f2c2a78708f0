import Glibc

/// A log that another process appends to.
struct LogFile: Sendable {
    let path: String

    /// Its length in bytes; 0 when there is no file.
    var size: Int64 {
        var status = stat()
        return stat(path, &status) == 0 ? Int64(status.st_size) : 0
    }

    /// The last part of the file as text, or an empty text when there is no file.
    func tail(bytes limit: Int = 8_192) -> String {
        guard let file = try? FileDescriptor(opening: path, O_RDONLY) else { return "" }
        let size = lseek(file.raw, 0, SEEK_END)
        guard size > 0, lseek(file.raw, max(0, size - off_t(limit)), SEEK_SET) >= 0,
            let bytes = try? file.readAll(limit: limit)
        else { return "" }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The last lines, without control characters, for an error message.
    func lastLines(_ count: Int = 10) -> String {
        let lines = tail().split(whereSeparator: \.isNewline).suffix(count)
        let clean = lines.map { line in
            String(String.UnicodeScalarView(line.unicodeScalars.filter { $0.value >= 0x20 || $0 == "\t" }))
        }
        return clean.joined(separator: "\n")
    }
}
