import Foundation
import Testing

/// A directory for one test, with a path short enough for sockets.
struct TemporaryDirectory: Sendable {
    let path: String

    /// Makes a directory for a piece of work and removes it afterwards.
    static func with(_ body: (TemporaryDirectory) async throws -> Void) async throws {
        let directory = try TemporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory.path) }
        try await body(directory)
    }

    private init() throws {
        path = "/tmp/hv-\(String(UInt32.random(in: 0...UInt32.max), radix: 36))"
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    }

    /// Writes a file and returns its path.
    func file(_ name: String, _ bytes: [UInt8]) throws -> String {
        let path = "\(path)/\(name)"
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return path
    }
}
