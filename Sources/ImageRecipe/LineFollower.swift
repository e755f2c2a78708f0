import Foundation

/// Gives the lines of a file that grows, each once.
final class LineFollower {
    private let path: String
    private let line: (String) -> Void
    private var offset: UInt64 = 0
    private var rest: [UInt8] = []

    init(path: String, line: @escaping (String) -> Void) {
        self.path = path
        self.line = line
    }

    /// Reads what is new; a last line without its end waits for it.
    func poll() {
        guard let file = FileHandle(forReadingAtPath: path) else { return }
        defer { try? file.close() }
        guard (try? file.seek(toOffset: offset)) != nil, let data = try? file.readToEnd(), !data.isEmpty else { return }
        offset += UInt64(data.count)
        rest += data
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            line(String(decoding: rest[..<end], as: UTF8.self))
            rest.removeFirst(end + 1)
        }
    }
}
