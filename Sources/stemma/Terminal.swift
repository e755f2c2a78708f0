import Foundation
import Synchronization
import Workflow

/// Where text goes.
enum Terminal {
    /// A result.
    static func print(_ text: String) {
        progressLine.clear()
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
    static func step(_ text: String) { progressLine.tell("· \(text)\n") }

    /// How far a step is: a line that is redrawn on a terminal, now and then a line of its own elsewhere.
    static func amount(_ step: String, _ amount: ProgressAmount) { progressLine.update(step, amount) }

    /// What went wrong.
    static func error(_ text: String) { progressLine.tell("stemma: \(text)\n") }

    /// A reader that goes away, of a pipe or a socket, is an error of the write and not the end of this process.
    static func ignoreBrokenPipes() {
        signal(SIGPIPE, SIG_IGN)
    }

    private static let progressLine = ProgressLine()
}
