import Glibc

/// A client that sends any bytes it likes.
final class RawClient {
    enum Failure: Error { case socket(Int32), closed, protocolError(String) }

    struct OptionReply: Equatable {
        var type: UInt32
        var data: [UInt8]
    }

    struct Chunk {
        var flags: UInt16
        var type: UInt16
        var handle: UInt64
        var data: [UInt8]
    }

    private let descriptor: Int32

    /// Connects; every wait ends after a minute.
    init(path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var timeout = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw Failure.socket(errno) }
    }

    deinit { close(descriptor) }

    func send(_ bytes: [UInt8]) throws {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress?.advanced(by: done), bytes.count - done, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure.socket(errno) }
            done += count
        }
    }

    /// Sends as much as goes without waiting.
    func sendNow(_ bytes: [UInt8]) -> Int {
        bytes.withUnsafeBytes {
            Glibc.send(
                descriptor, $0.baseAddress, bytes.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
        }
    }

    func receive(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let received = bytes.withUnsafeMutableBytes {
                recv(descriptor, $0.baseAddress?.advanced(by: done), count - done, 0)
            }
            if received == 0 || (received < 0 && errno == ECONNRESET) { throw Failure.closed }
            guard received > 0 else { throw Failure.socket(errno) }
            done += received
        }
        return bytes
    }

    /// Reads until the server closes.
    func receiveAll() throws -> Int {
        var total = 0
        while true {
            do { total += try receive(1).count } catch Failure.closed { return total }
        }
    }

    func word<Value: FixedWidthInteger>(_: Value.Type) throws -> Value {
        try receive(Value.bitWidth / 8).reduce(0) { ($0 << 8) | Value($1) }
    }

    /// Reads the greeting and answers the flags.
    func greet(flags: UInt32 = 3) throws {
        let greeting = try receive(18)
        guard greeting == Array("NBDMAGICIHAVEOPT".utf8) + [0, 3] else { throw Failure.protocolError("greeting") }
        try send(bigEndian(flags))
    }

    func option(_ number: UInt32, _ data: [UInt8] = []) -> [UInt8] {
        Array("IHAVEOPT".utf8) + bigEndian(number) + bigEndian(UInt32(data.count)) + data
    }

    /// Sends an option and reads its replies to the last one.
    func ask(_ number: UInt32, _ data: [UInt8] = []) throws -> [OptionReply] {
        try send(option(number, data))
        var replies: [OptionReply] = []
        while true {
            guard try word(UInt64.self) == 0x0003_e889_0455_65a9, try word(UInt32.self) == number else {
                throw Failure.protocolError("option reply")
            }
            let type = try word(UInt32.self)
            replies.append(OptionReply(type: type, data: try receive(Int(try word(UInt32.self)))))
            if type == 1 || type >= 0x8000_0000 { return replies }
        }
    }

    /// The whole handshake up to the transmission phase.
    func enter(_ name: String, structured: Bool = true, allocation: Bool = false) throws {
        try greet()
        if structured { _ = try ask(8) }
        if allocation { _ = try ask(10, string(name) + bigEndian(UInt32(1)) + string("base:allocation")) }
        guard try ask(7, string(name) + [0, 0]).last?.type == 1 else { throw Failure.protocolError("GO") }
    }

    func request(
        _ type: UInt16, handle: UInt64, offset: UInt64 = 0, length: UInt32 = 0, flags: UInt16 = 0
    ) -> [UInt8] {
        bigEndian(UInt32(0x2560_9513)) + bigEndian(flags) + bigEndian(type) + bigEndian(handle) + bigEndian(offset)
            + bigEndian(length)
    }

    /// Reads a simple reply without data.
    func simpleReply() throws -> (error: UInt32, handle: UInt64) {
        guard try word(UInt32.self) == 0x6744_6698 else { throw Failure.protocolError("simple reply") }
        return (try word(UInt32.self), try word(UInt64.self))
    }

    func chunk() throws -> Chunk {
        guard try word(UInt32.self) == 0x668e_33ef else { throw Failure.protocolError("chunk") }
        let (flags, type, handle) = (try word(UInt16.self), try word(UInt16.self), try word(UInt64.self))
        return Chunk(flags: flags, type: type, handle: handle, data: try receive(Int(try word(UInt32.self))))
    }

    /// Reads chunks up to the last one of a reply.
    func chunks() throws -> [Chunk] {
        var chunks = [try chunk()]
        while chunks.last.map({ $0.flags & 1 == 0 }) == true { chunks.append(try chunk()) }
        return chunks
    }
}

func bigEndian<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
    withUnsafeBytes(of: value.bigEndian) { Array($0) }
}

/// A string after its length, as options carry it.
func string(_ text: String) -> [UInt8] { bigEndian(UInt32(text.utf8.count)) + Array(text.utf8) }

func value(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { ($0 << 8) | UInt64($1) } }
