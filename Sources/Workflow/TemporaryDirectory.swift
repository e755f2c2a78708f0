import Foundation

/// A directory that goes away with its owner.
struct TemporaryDirectory: ~Copyable {
    let path: String

    init(under parent: String) throws {
        path = parent + "/tmp-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }
}
