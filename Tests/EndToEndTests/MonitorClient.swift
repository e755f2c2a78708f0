import Foundation
import Glibc

/// A client of QEMU's monitor on a unix socket, one that is not Stemma.
final class MonitorClient {
    private let descriptor: Int32
    private var text = ""

    struct Failure: Error { let text: String }

    init(socket path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < 108 else { throw Failure(text: "\(path) is too long") }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw Failure(text: "\(path): \(String(cString: strerror(errno)))") }
        try wait(for: "QMP")
    }

    deinit { close(descriptor) }

    /// Sends a command and waits for its answer.
    func execute(_ command: String) throws {
        let line = Array((command + "\n").utf8)
        guard write(descriptor, line, line.count) == line.count else { throw Failure(text: command) }
        try wait(for: "\"return\"")
    }

    /// Reads until `part` has come, and forgets what came up to it.
    func wait(for part: String) throws {
        while true {
            if let range = text.range(of: part) {
                text = String(text[range.upperBound...])
                return
            }
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { throw Failure(text: "the monitor ended; it said \(text)") }
            text += String(decoding: buffer[..<count], as: UTF8.self)
        }
    }
}
