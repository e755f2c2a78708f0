import Foundation
import Workflow

/// A connection to a program on this machine, by a unix socket.
package final class LocalConnection {
    private let descriptor: Int32
    private var rest: [UInt8] = []

    /// nil while nobody listens.
    package init?(socket path: String) {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        let isShort = withUnsafeMutableBytes(of: &address.sun_path) { bytes in
            guard path.utf8.count < capacity else { return false }
            bytes.copyBytes(from: path.utf8)
            return true
        }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        guard isShort, connected == 0 else { return nil }
    }

    deinit { close(descriptor) }

    package func send(_ text: String) throws {
        let bytes = Array(text.utf8)
        guard write(descriptor, bytes, bytes.count) == bytes.count else {
            throw WorkflowError(.unavailable, "QEMU takes nothing any more.")
        }
    }

    /// The next line, without its end.
    package func line() throws -> String {
        while true {
            if let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: rest[..<end], as: UTF8.self)
                rest.removeFirst(end + 1)
                return line
            }
            _ = try receive(milliseconds: -1)
        }
    }

    /// Everything up to a text, which is left out.
    package func text(before mark: String, seconds: Int) throws -> String {
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(seconds)
        while true {
            let text = String(decoding: rest, as: UTF8.self)
            if let found = text.range(of: mark) {
                rest = Array(text[found.upperBound...].utf8)
                return String(text[..<found.lowerBound])
            }
            guard clock.now < deadline else {
                throw WorkflowError(
                    .unavailable, "The guest did not print '\(mark)' within \(seconds) seconds:\n\(text.suffix(500))")
            }
            try Task.checkCancellation()
            _ = try receive(milliseconds: 1000)
        }
    }

    /// - Returns: false when nothing came in time.
    private func receive(milliseconds: Int32) throws -> Bool {
        var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&request, 1, milliseconds) > 0 else { return false }
        var buffer = [UInt8](repeating: 0, count: 65536)
        let count = read(descriptor, &buffer, buffer.count)
        guard count > 0 else { throw WorkflowError(.unavailable, "QEMU ended.") }
        rest += buffer[..<count]
        return true
    }
}
