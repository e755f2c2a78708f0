import Foundation

/// Where text goes.
enum Terminal {
    /// A result.
    static func print(_ text: String) {
        do {
            try FileHandle.standardOutput.write(contentsOf: Data((text + "\n").utf8))
        } catch {
            // The reader has gone, as `head` does when it has enough.
            exit(0)
        }
    }

    /// A value as JSON with sorted keys.
    static func print(json value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        print(String(decoding: try encoder.encode(value), as: UTF8.self))
    }

    /// A step of work.
    static func step(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data("· \(text)\n".utf8))
    }

    /// What went wrong.
    static func error(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data("stemma: \(text)\n".utf8))
    }

    /// A reader that goes away, of a pipe or a socket, is an error of the write and not the end of this process.
    static func ignoreBrokenPipes() {
        signal(SIGPIPE, SIG_IGN)
    }
}
