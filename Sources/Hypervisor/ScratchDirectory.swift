import Foundation

/// A temporary directory of this process, private to the user, removed when it goes out of scope.
struct ScratchDirectory: ~Copyable, Sendable {
    let path: String

    init(under parent: String) throws(HypervisorError) {
        var template = Array((parent + "/stemma-XXXXXX").utf8CString)
        let made = template.withUnsafeMutableBufferPointer { $0.baseAddress.flatMap { mkdtemp($0) } != nil }
        guard made else { throw .system("create a temporary directory in \(parent)") }
        self.path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
