import BlockService
import Testing

/// Clients that send what no client should: the server closes or answers, reads nothing outside the disk, and serves the next one.
@Suite struct HostileClientTests {
    /// Serves with a source that traps when it is asked for bytes outside, and sees a good client read at the end.
    private func surviving(_ body: (NBDServer) throws -> Void) async throws {
        let source = MemorySource.sparse(blocks: 20)
        var limits = NBDServer.Limits()
        limits.connections = 1000
        try await serving(source, limits: limits) { server, _ in
            try body(server)
            let client = try RawClient(path: server.socketPath)
            try client.enter("disk")
            try client.send(client.request(0, handle: 1, offset: 131_072, length: 512))
            #expect(try client.chunks().first?.data.dropFirst(8) == source.bytes[131_072..<131_584])
        }
    }

    @Test func malformedHandshakesAreClosed() async throws {
        try await surviving { server in
            let hello = bigEndian(UInt32(3))
            let attempts: [[UInt8]] = [
                bigEndian(UInt32(4)), bigEndian(UInt32.max), hello + Array("IHAVEOPS".utf8),
                Array("GET / HTTP/1.0\r\n\r\n".utf8),
                hello + Array("IHAVEOPT".utf8) + bigEndian(UInt32(7)) + bigEndian(UInt32.max),
                hello + Array("IHAVEOPT".utf8) + bigEndian(UInt32(3)) + bigEndian(UInt32(65_537)),
                hello + Array("IHAVEOPT".utf8) + bigEndian(UInt32(1)) + bigEndian(UInt32(5)) + Array("other".utf8),
                bigEndian(UInt32(0)) + Array("IHAVEOPT".utf8) + bigEndian(UInt32(3)) + bigEndian(UInt32(0)),
            ]
            for bytes in attempts {
                let client = try RawClient(path: server.socketPath)
                _ = try client.receive(18)
                try client.send(bytes)
                #expect(try client.receiveAll() == 0)
            }
            let client = try RawClient(path: server.socketPath)
            try client.greet()
            try client.send((0..<1100).flatMap { _ in client.option(8) })
            #expect(try client.receiveAll() == 1024 * 20)
        }
    }

    @Test func malformedRequestsAreClosed() async throws {
        try await surviving { server in
            for bytes in [
                [0], [0x25, 0x60, 0x95, 0x14], [UInt8](repeating: 0xff, count: 4096),
                // A write whose payload is too large to skip.
                RawRequests.request(1, length: (32 << 20) + 1),
            ] {
                let client = try RawClient(path: server.socketPath)
                try client.enter("disk")
                try client.send(bytes.count < 4 ? bytes + [1, 2, 3] : bytes)
                #expect(try client.receiveAll() == 0)
            }
        }
    }

    /// Whole conversations, damaged at random, and cut at random.
    @Test(arguments: [UInt64(1), 2, 3]) func randomDamageDoesNoHarm(_ seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        try await surviving { server in
            for _ in 0..<700 {
                let client = try RawClient(path: server.socketPath)
                var bytes = bigEndian(UInt32(3))
                for _ in 0..<Int.random(in: 0..<6, using: &random) { bytes += randomOption(client, &random) }
                if Bool.random(using: &random) {
                    bytes +=
                        client.option(8)
                        + client.option(10, string("disk") + bigEndian(UInt32(1)) + string("base:allocation"))
                    bytes += client.option(7, string("disk") + [0, 0])
                    for handle in 0..<UInt64.random(in: 0..<20, using: &random) {
                        bytes += randomRequest(client, handle, &random)
                    }
                }
                for _ in 0..<Int.random(in: 0..<4, using: &random) {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
                let cut = Bool.random(using: &random) ? bytes.count : Int.random(in: 0...bytes.count, using: &random)
                // The server may have closed already.
                _ = client.sendNow(Array(bytes[..<cut]))
                if Int.random(in: 0..<4, using: &random) == 0 { _ = try client.receive(18) }
            }
        }
    }

    private func randomOption(_ client: RawClient, _ random: inout SeededGenerator) -> [UInt8] {
        let number = UInt32.random(in: 0..<13, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: return client.option(number, random.bytes(Int.random(in: 0..<200, using: &random)))
        case 1: return client.option(number, string("disk") + [0, 1, 0, 3])
        default:
            return client.option(
                number, string("disk") + bigEndian(UInt32.random(in: 0..<4, using: &random)) + string("base:"))
        }
    }

    private func randomRequest(_ client: RawClient, _ handle: UInt64, _ random: inout SeededGenerator) -> [UInt8] {
        let offsets: [UInt64] = [0, 1, 131_072, 1_310_720, 1_311_743, 1_311_744, .max, 1 << 63, .max - 511]
        let lengths: [UInt32] = [0, 1, 511, 512, 65_536, 1_311_744, 32 << 20, (32 << 20) + 1, .max]
        return client.request(
            UInt16.random(in: 0..<10, using: &random), handle: handle,
            offset: offsets.randomElement(using: &random) ?? 0,
            length: lengths.randomElement(using: &random) ?? 0,
            flags: [0, 0, 4, 8, 0xff].randomElement(using: &random) ?? 0)
    }
}

/// Requests without a client at hand.
enum RawRequests {
    static func request(_ type: UInt16, length: UInt32) -> [UInt8] {
        bigEndian(UInt32(0x2560_9513)) + bigEndian(UInt16(0)) + bigEndian(type) + bigEndian(UInt64(1))
            + bigEndian(UInt64(0)) + bigEndian(length)
    }
}
