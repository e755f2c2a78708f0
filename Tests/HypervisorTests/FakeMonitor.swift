import Foundation
import Testing

/// A QMP server of one connection that answers as a test wants, on a thread of its own.
final class FakeMonitor: Sendable {
    static let greeting =
        #"{"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": ""}, "capabilities": []}}"#

    let path: String

    /// - Parameter answer: gets a line of the client (`nil`: it has just connected) and returns what to send; `nil`
    ///   closes the connection.
    init(in directory: TemporaryDirectory, answer: @escaping @Sendable (String?) -> String?) throws {
        path = directory.path + "/qmp.sock"
        let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let bound = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0 && listen(listener, 1) == 0)
        Thread.detachNewThread {
            let client = accept(listener, nil, nil)
            defer {
                close(client)
                close(listener)
            }
            var line: [UInt8] = []
            var reply = answer(nil)
            while let text = reply {
                let bytes = Array(text.utf8)
                guard bytes.isEmpty || send(client, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
                else { return }
                reply = nil
                var byte: UInt8 = 0
                while read(client, &byte, 1) == 1 {
                    if byte == UInt8(ascii: "\n") {
                        reply = answer(String(decoding: line, as: UTF8.self))
                        line = []
                        break
                    }
                    line.append(byte)
                }
            }
        }
    }

    /// The id of a command line.
    static func id(_ line: String) -> Int {
        struct Command: Decodable { let id: Int }
        return (try? JSONDecoder().decode(Command.self, from: Data(line.utf8)))?.id ?? -1
    }
}
