import BlockService
import Foundation
import Testing

/// Byte by byte what the protocol asks for, with a client of our own.
@Suite struct ProtocolTests {
    private let block = UInt64(MemorySource.block)

    @Test func optionsAnswerAsTheProtocolSays() async throws {
        try await serving(.sparse()) { server, _ in
            let client = try RawClient(path: server.socketPath)
            try client.greet()
            #expect(try client.ask(99).map(\.type) == [0x8000_0001])
            #expect(try client.ask(5).map(\.type) == [0x8000_0001])
            #expect(try client.ask(3).map(\.data).first == string("disk") + Array("a disk for tests".utf8))
            #expect(try client.ask(3, [1]).map(\.type) == [0x8000_0003])
            #expect(try client.ask(6, string("other") + [0, 0]).map(\.type) == [0x8000_0006])
            #expect(try client.ask(6, string("disk") + [0, 2, 0, 0]).map(\.type) == [0x8000_0003])
            #expect(try client.ask(6, [0, 0, 0xff, 0xff]).map(\.type) == [0x8000_0003])
            // Without structured replies a context cannot be selected, and DF is not announced.
            let query = string("disk") + bigEndian(UInt32(1)) + string("base:allocation")
            #expect(try client.ask(10, query).map(\.type) == [0x8000_0003])
            #expect(try client.ask(6, string("") + [0, 0]).first?.data.suffix(2) == [0x05, 0x07])
            #expect(try client.ask(8, [0]).map(\.type) == [0x8000_0003])
            #expect(try client.ask(8).map(\.type) == [1])
            #expect(try client.ask(6, string("disk") + [0, 0]).first?.data.suffix(2) == [0x05, 0x87])
            #expect(try client.ask(6, string("disk") + [0, 3, 0, 1, 0, 2, 0, 3]).map(\.type) == [3, 3, 3, 3, 1])
            for queries in [[], ["base:"], ["x-unknown:y", "base:allocation"]] {
                let data = string("disk") + bigEndian(UInt32(queries.count)) + queries.flatMap(string)
                #expect(try client.ask(9, data).map(\.type) == [4, 1])
            }
            #expect(try client.ask(9, string("disk") + bigEndian(UInt32(1)) + string("other:")).map(\.type) == [1])
            #expect(try client.ask(9, string("disk") + bigEndian(UInt32.max)).map(\.type) == [0x8000_0003])
            #expect(try client.ask(10, string("disk") + bigEndian(UInt32(1)) + string("base:")).map(\.type) == [1])
            #expect(try client.ask(10, query).map(\.type) == [4, 1])
            #expect(try client.ask(10, string("other") + bigEndian(UInt32(0))).map(\.type) == [0x8000_0006])
            #expect(try client.ask(2).map(\.type) == [1])
            #expect(throws: RawClient.Failure.self) { try client.receive(1) }
        }
    }

    @Test(arguments: [UInt32(0), 1, 2, 3]) func oldStyleOptionEntersToo(_ flags: UInt32) async throws {
        let source = MemorySource.sparse()
        try await serving(source) { server, _ in
            let client = try RawClient(path: server.socketPath)
            try client.greet(flags: flags)
            try client.send(client.option(1, Array("disk".utf8)))
            #expect(try client.word(UInt64.self) == source.size)
            #expect(try client.word(UInt16.self) == 0x0507)
            if flags & 2 == 0 { #expect(try client.receive(124).allSatisfy { $0 == 0 }) }
            try client.send(client.request(0, handle: 5, offset: 2 * block + 3, length: 10))
            #expect(try client.simpleReply() == (0, 5))
            #expect(try client.receive(10)[...] == source.bytes[Int(2 * block) + 3..<Int(2 * block) + 13])
        }
    }

    @Test func structuredReadsSendHoles() async throws {
        let source = MemorySource.sparse()
        try await serving(source) { server, _ in
            let client = try RawClient(path: server.socketPath)
            try client.enter("disk")
            // Two blocks of zeros, three of data, and 5000 bytes of the next hole.
            try client.send(client.request(0, handle: 1, length: UInt32(5 * block + 5000)))
            let chunks = try client.chunks()
            #expect(chunks.map(\.type) == [2, 1, 2] && chunks.map(\.flags) == [0, 0, 1])
            #expect(chunks[0].data == bigEndian(UInt64(0)) + bigEndian(UInt32(2 * block)))
            #expect(chunks[1].data[8...] == source.bytes[Int(2 * block)..<Int(5 * block)])
            // Not fragmented: one chunk of data.
            try client.send(client.request(0, handle: 2, length: UInt32(3 * block), flags: 4))
            let whole = try client.chunks()
            #expect(whole.map(\.type) == [1])
            #expect(whole[0].data[8...] == source.bytes[..<Int(3 * block)])
            try client.send(client.request(0, handle: 3, length: UInt32(block), flags: 4))
            #expect(try client.chunks().map(\.type) == [2])
            try client.send(client.request(0, handle: 4, length: 0))
            #expect(try client.chunks().map(\.type) == [0])
        }
    }

    @Test func blockStatusFollowsTheHoles() async throws {
        let source = MemorySource.sparse(blocks: 10)
        try await serving(source) { server, _ in
            let client = try RawClient(path: server.socketPath)
            try client.enter("disk", allocation: true)
            try client.send(client.request(7, handle: 1, offset: 100, length: UInt32(source.size) - 100))
            let chunk = try #require(try client.chunks().first)
            #expect(chunk.type == 5)
            let words = stride(from: 4, to: chunk.data.count, by: 4).map { value(chunk.data[$0..<$0 + 4]) }
            #expect(words == [2 * block - 100, 3, 3 * block, 0, 2 * block, 3, 3 * block + 1024, 0])
            try client.send(client.request(7, handle: 2, offset: block, length: UInt32(3 * block), flags: 8))
            let one = try #require(try client.chunks().first)
            #expect(one.data == bigEndian(UInt32(1)) + bigEndian(UInt32(block)) + bigEndian(UInt32(3)))
        }
    }

    @Test func refusalsCarryTheRightError() async throws {
        let source = MemorySource.sparse()
        try await serving(source) { server, _ in
            let client = try RawClient(path: server.socketPath)
            try client.enter("disk", structured: false)
            let size = source.size
            let cases: [(type: UInt16, offset: UInt64, length: UInt32, flags: UInt16, error: UInt32)] = [
                (0, size, 1, 0, 22), (0, size - 1, 2, 0, 22), (0, .max, 1, 0, 22), (0, .max - 511, 512, 0, 22),
                (0, 0, .max, 0, 22), (0, 0, 512, 4, 22), (0, 0, 512, 0x8000, 22),
                (1, 0, 1000, 0, 1), (1, .max, 7, 1, 1), (4, 0, 512, 0, 1), (6, 0, 512, 0, 1), (6, 0, .max, 2, 1),
                (3, 0, 0, 0, 0), (3, 0, 0, 1, 22), (5, 0, 65_536, 0, 0), (5, size, 1, 0, 22),
                (7, 0, 512, 0, 22), (8, 0, 0, 0, 22), (9, 1, 2, 3, 22), (0xffff, 0, 0, 0, 22),
            ]
            for (handle, item) in cases.enumerated() {
                try client.send(
                    client.request(
                        item.type, handle: UInt64(handle), offset: item.offset, length: item.length, flags: item.flags))
                // The payload of a write is skipped.
                if item.type == 1 { try client.send([UInt8](repeating: 0x25, count: Int(item.length))) }
                #expect(try client.simpleReply() == (item.error, UInt64(handle)), "\(item)")
            }
            try client.send(client.request(0, handle: 77, offset: size - 4, length: 4))
            #expect(try client.simpleReply() == (0, 77))
            #expect(try client.receive(4)[...] == source.bytes.suffix(4))
        }
    }

    @Test func structuredErrorsSayWhy() async throws {
        let failures = FailureList()
        let source = MemorySource(MemorySource.sparse().bytes, broken: 200_000..<200_001)
        try await serving(source, onFailure: { failures.add($0) }) { server, _ in
            let client = try RawClient(path: server.socketPath)
            try client.enter("disk")
            try client.send(client.request(0, handle: 1, offset: 199_000, length: 4096))
            let chunk = try #require(try client.chunks().first)
            #expect(chunk.type == 0x8001 && chunk.data.starts(with: bigEndian(UInt32(5))))
            #expect(String(decoding: chunk.data.dropFirst(6), as: UTF8.self).contains("199000"))
            try client.send(client.request(0, handle: 2, offset: 201_000, length: 96))
            #expect(try client.chunks().map(\.type) == [1])
            try client.send(client.request(0, handle: 3, offset: .max, length: 96))
            #expect(try client.chunks().first?.data.starts(with: bigEndian(UInt32(22))) == true)
        }
        #expect(failures.all.map(\.offset) == [199_000])
        #expect(failures.all.first?.error is MemorySource.Broken)
    }

    @Test func disconnectIsServedAfterWhatIsInFlight() async throws {
        try await serving(.sparse()) { server, _ in
            let client = try RawClient(path: server.socketPath)
            try client.enter("disk", structured: false)
            let requests = (0..<20).flatMap { client.request(0, handle: UInt64($0), length: 512) }
            try client.send(requests + client.request(2, handle: 99) + client.request(0, handle: 100, length: 1))
            var handles: Set<UInt64> = []
            for _ in 0..<20 {
                handles.insert(try client.simpleReply().handle)
                _ = try client.receive(512)
            }
            #expect(handles == Set(0..<20))
            #expect(throws: RawClient.Failure.self) { try client.receive(1) }
        }
    }
}
