import Glibc

/// A debugger's connection to QEMU's GDB stub: the few requests that stepping and comparing need.
///
/// Blocking; for one thread. Source: GDB documentation, appendix E (remote serial protocol), and QEMU's documentation of its stub.
package struct GDBClient: ~Copyable {
    private let socket: FileDescriptor
    private var received: [UInt8] = []
    private var position = 0

    /// Connects to a unix socket.
    package init(socket path: String) throws { socket = try Self.connected(path) }

    private static func connected(_ path: String) throws -> FileDescriptor {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw HypervisorError(.invalidConfiguration, "The path \(path) is too long for a socket.")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let raw = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard raw >= 0 else { throw HypervisorError.system("make a socket") }
        let descriptor = FileDescriptor(owning: raw)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(raw, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw HypervisorError.system("connect to \(path)") }
        return descriptor
    }

    /// Sends a request and returns the answer, without the frame.
    package mutating func ask(_ request: String) throws -> String {
        try send(request)
        return try receive()
    }

    private func send(_ request: String) throws {
        let sum = request.utf8.reduce(UInt8(0)) { $0 &+ $1 }
        let digits = String(sum, radix: 16)
        let packet = Array("$\(request)#\(digits.count == 1 ? "0" : "")\(digits)".utf8)
        try socket.writeAll(packet, to: "QEMU's GDB stub")
    }

    /// The next packet. Acknowledgements of ours are passed over; the packet is acknowledged.
    private mutating func receive() throws -> String {
        while try next() != UInt8(ascii: "$") {}
        var body: [UInt8] = []
        while true {
            let byte = try next()
            if byte == UInt8(ascii: "#") { break }
            body.append(byte)
        }
        let sum = [try next(), try next()]
        let expected = body.reduce(UInt8(0)) { $0 &+ $1 }
        guard UInt8(String(decoding: sum, as: UTF8.self), radix: 16) == expected else {
            throw HypervisorError(.malformedMessage, "A packet of QEMU's GDB stub has a wrong checksum.")
        }
        try socket.writeAll([UInt8(ascii: "+")], to: "QEMU's GDB stub")
        return String(decoding: Self.expanded(body), as: UTF8.self)
    }

    /// Run-length encoding: `*` and a count above 29 repeat the character before.
    private static func expanded(_ body: [UInt8]) -> [UInt8] {
        guard body.contains(UInt8(ascii: "*")) else { return body }
        var result: [UInt8] = []
        var index = 0
        while index < body.count {
            if body[index] == UInt8(ascii: "*"), index + 1 < body.count, let last = result.last {
                result += Array(repeating: last, count: max(Int(body[index + 1]) - 29, 0))
                index += 2
            } else {
                result.append(body[index])
                index += 1
            }
        }
        return result
    }

    private mutating func next() throws -> UInt8 {
        if position == received.count {
            var buffer = [UInt8](repeating: 0, count: 8192)
            let count = read(socket.raw, &buffer, buffer.count)
            guard count > 0 else {
                throw HypervisorError(.disconnected, "QEMU's GDB stub has closed the connection.")
            }
            received = Array(buffer[..<count])
            position = 0
        }
        defer { position += 1 }
        return received[position]
    }
}

extension GDBClient {
    /// All registers, as QEMU's `i386-64bit` description orders them.
    package mutating func registers() throws -> GDBRegisters {
        let answer = try ask("g")
        guard let registers = GDBRegisters(hex: answer) else {
            throw HypervisorError(
                .malformedMessage, "QEMU's GDB stub does not give the registers: \(answer.prefix(80))")
        }
        return registers
    }

    /// One instruction of one CPU. Interrupts and timers stand still, as is the stub's way unless it is told otherwise.
    package mutating func step() throws {
        let answer = try ask("s")
        guard answer.hasPrefix("T05") || answer.hasPrefix("S05") else {
            throw HypervisorError(.malformedMessage, "QEMU did not stop after one instruction: \(answer.prefix(80))")
        }
    }

    /// Bytes of guest-physical memory; `count` at most 1024.
    package mutating func physicalMemory(_ address: UInt64, count: Int) throws -> [UInt8] {
        guard let bytes = Self.bytes(try ask("m\(String(address, radix: 16)),\(String(count, radix: 16))")),
            bytes.count == count
        else { throw HypervisorError(.malformedMessage, "QEMU's GDB stub does not give the memory at \(address).") }
        return bytes
    }

    /// Addresses of memory mean physical ones from now on.
    package mutating func usePhysicalAddresses() throws { _ = try ask("Qqemu.PhyMemMode:1") }

    static func bytes(_ hex: String) -> [UInt8]? {
        let digits = Array(hex.utf8)
        guard digits.count % 2 == 0 else { return nil }
        func value(_ digit: UInt8) -> UInt8? {
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
            default: nil
            }
        }
        var result: [UInt8] = []
        result.reserveCapacity(digits.count / 2)
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = value(digits[index]), let low = value(digits[index + 1]) else { return nil }
            result.append(high << 4 | low)
        }
        return result
    }
}

/// The registers that a debugger sees.
package struct GDBRegisters: Sendable, Hashable {
    /// RAX RBX RCX RDX RSI RDI RBP RSP R8-R15: not the order of encodings.
    package let general: [UInt64]
    package let rip: UInt64
    package let flags: UInt64
    /// CS SS DS ES FS GS.
    package let selectors: [UInt64]
    package let fsBase: UInt64
    package let gsBase: UInt64
    package let kernelGSBase: UInt64
    /// CR0 CR2 CR3 CR4 CR8.
    package let control: [UInt64]
    package let efer: UInt64
    /// Low and high halves of XMM0-XMM15.
    package let vectors: [UInt64]
    package let mxcsr: UInt64

    /// Offsets in the answer to `g`: integers little-endian, 16 general registers of 8 bytes, RIP, flags (4), six selectors (4), three bases and
    /// five control registers and EFER (8), eight x87 registers (10), eight x87 words (4), sixteen vectors (16), MXCSR (4).
    init?(hex: String) {
        guard let bytes = GDBClient.bytes(hex), bytes.count >= 608 else { return nil }
        func number(_ offset: Int, _ count: Int) -> UInt64 {
            (0..<count).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
        }
        general = (0..<16).map { number($0 * 8, 8) }
        rip = number(128, 8)
        flags = number(136, 4)
        selectors = (0..<6).map { number(140 + $0 * 4, 4) }
        fsBase = number(164, 8)
        gsBase = number(172, 8)
        kernelGSBase = number(180, 8)
        control = (0..<5).map { number(188 + $0 * 8, 8) }
        efer = number(228, 8)
        vectors = (0..<32).map { number(348 + $0 * 8, 8) }
        mxcsr = number(604, 4)
    }
}
