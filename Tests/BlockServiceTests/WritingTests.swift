import BlockService
import Foundation
import Testing

/// Serves a disk that can be written to as "disk" while the body runs.
func servingWritable<Result>(
    _ source: any WritableBlockSource, limits: NBDServer.Limits = NBDServer.Limits(),
    onFailure: @escaping @Sendable (NBDFailure) -> Void = { _ in },
    _ body: (NBDServer, TemporaryDirectory) async throws -> Result
) async throws -> Result {
    let directory = try TemporaryDirectory()
    let server = try await NBDServer.start(
        exports: [NBDExport(name: "disk", writable: source)], socketPath: directory("nbd.sock"), limits: limits,
        onFailure: onFailure)
    do {
        let result = try await body(server, directory)
        await server.stop()
        return result
    } catch {
        await server.stop()
        throw error
    }
}

/// The commands that write, byte by byte.
@Suite struct WritingTests {
    private let size = 1 << 20

    @Test func flagsSayWhatIsPossible() async throws {
        try await servingWritable(WritableDisk(size: size)) { server, _ in
            let client = try RawClient(path: server.socketPath)
            try client.greet()
            _ = try client.ask(8)
            // FLUSH, FUA, TRIM, WRITE_ZEROES, DF, MULTI_CONN, CACHE, FAST_ZERO; not READ_ONLY.
            #expect(try client.ask(6, string("disk") + [0, 0]).first?.data.suffix(2) == [0x0d, 0xed])
        }
        // A source that could be written to is read-only unless it is exported to be written to.
        let directory = try TemporaryDirectory()
        let disk = WritableDisk(size: size)
        let server = try await NBDServer.start(
            exports: [NBDExport(name: "disk", source: disk)], socketPath: directory("nbd.sock"))
        let client = try RawClient(path: server.socketPath)
        try client.enter("disk", structured: false)
        try client.send(client.request(1, handle: 1, length: 4) + [1, 2, 3, 4])
        #expect(try client.simpleReply() == (1, 1))
        await server.stop()
        #expect(disk.calls.isEmpty)
    }

    @Test func commandsReachTheDisk() async throws {
        let disk = WritableDisk(size: size)
        try await servingWritable(disk) { server, _ in
            let client = try RawClient(path: server.socketPath)
            try client.enter("disk")
            let requests: [(type: UInt16, flags: UInt16, payload: [UInt8], calls: [WritableDisk.Call])] = [
                (1, 0, [1, 2, 3], [.write(1000, 3)]), (1, 1, [4, 5, 6], [.write(1000, 3), .flush]),
                (6, 0, [], [.zero(1000, 3, isAllocated: false)]), (6, 2, [], [.zero(1000, 3, isAllocated: true)]),
                (6, 0x11, [], [.zero(1000, 3, isAllocated: false), .flush]),
                (4, 0, [], [.zero(1000, 3, isAllocated: false)]),
                (4, 1, [], [.zero(1000, 3, isAllocated: false), .flush]), (3, 0, [], [.flush]), (5, 1, [], []),
            ]
            var expected: [WritableDisk.Call] = []
            for (handle, item) in requests.enumerated() {
                try client.send(
                    client.request(
                        item.type, handle: UInt64(handle), offset: item.type == 3 ? 0 : 1000,
                        length: item.type == 3 ? 0 : 3, flags: item.flags) + item.payload)
                #expect(try client.simpleReply() == (0, UInt64(handle)))
                expected += item.calls
                #expect(disk.calls == expected)
            }
            // Fast and allocated: not promised.
            try client.send(client.request(6, handle: 9, length: 3, flags: 0x12))
            #expect(try client.simpleReply() == (95, 9))
        }
    }

    @Test func rangesOutsideAreRefused() async throws {
        let disk = WritableDisk(size: size)
        try await servingWritable(disk) { server, _ in
            let client = try RawClient(path: server.socketPath)
            try client.enter("disk")
            let end = UInt64(size)
            let cases: [(type: UInt16, offset: UInt64, length: UInt32, flags: UInt16, error: UInt32)] = [
                (1, end, 1, 0, 28), (1, end - 1, 2, 0, 28), (1, .max, 1, 0, 28), (1, .max - 3, 8, 1, 28),
                (1, 1 << 63, 4096, 0, 28), (1, 0, 2 << 20, 0, 28), (6, end, 1, 0, 28), (6, 0, .max, 0, 28),
                (6, .max, .max, 2, 28), (4, end, 1, 0, 22), (4, 1, .max, 0, 22), (4, .max, .max, 0, 22),
                (1, 0, 8, 2, 22), (4, 0, 8, 2, 22), (6, 0, 8, 8, 22), (3, 0, 0, 2, 22), (5, end, 1, 0, 22),
            ]
            for (handle, item) in cases.enumerated() {
                try client.send(
                    client.request(
                        item.type, handle: UInt64(handle), offset: item.offset, length: item.length, flags: item.flags)
                        + [UInt8](repeating: 0x25, count: item.type == 1 ? Int(item.length) : 0))
                #expect(try client.simpleReply() == (item.error, UInt64(handle)), "\(item)")
            }
            #expect(disk.calls.isEmpty)
            // Nothing and everything lie inside.
            try client.send(client.request(1, handle: 50, offset: end, length: 0))
            #expect(try client.simpleReply() == (0, 50))
            try client.send(client.request(6, handle: 51, length: UInt32(size)))
            #expect(try client.simpleReply() == (0, 51))
        }
        #expect(disk.calls == [.zero(0, 1 << 20, isAllocated: false)])
    }

    /// A client that leaves in the middle of a payload has written nothing of it.
    @Test func halfAPayloadIsNotWritten() async throws {
        let disk = WritableDisk(size: size)
        try await servingWritable(disk) { server, _ in
            for sent in [0, 1, 4096, 65_535, 300_000, 499_999] {
                let client = try RawClient(path: server.socketPath)
                try client.enter("disk")
                try client.send(
                    client.request(1, handle: 1, length: 500_000) + [UInt8](repeating: 7, count: sent))
            }
            while server.connectionCount > 0 { try await Task.sleep(for: .milliseconds(5)) }
        }
        #expect(disk.calls.isEmpty)
    }

    /// Payloads count as in flight: a client that sends on and on is held back.
    @Test func payloadsAreBounded() async throws {
        let gate = DispatchSemaphore(value: 0)
        let disk = WritableDisk(size: 4 << 20) { gate.wait() }
        var limits = NBDServer.Limits()
        limits.bytesPerConnection = 4 << 20
        try await servingWritable(disk, limits: limits) { server, _ in
            // Stopping waits for writes, however the test ends.
            defer { for _ in 0..<100 { gate.signal() } }
            let client = try RawClient(path: server.socketPath)
            try client.enter("disk")
            let request = client.request(1, handle: 1, length: 1 << 20) + [UInt8](repeating: 7, count: 1 << 20)
            var sent = 0
            var idle = 0
            let all = 32 * request.count
            while sent < all, idle < 20 {
                let start = sent % request.count
                let count = client.sendNow(Array(request[start...]))
                if count > 0 {
                    sent += count
                    idle = 0
                } else {
                    idle += 1
                    try await Task.sleep(for: .milliseconds(10))
                }
            }
            // Four or five in memory, and what the socket holds.
            #expect(sent < 12 << 20)
            for _ in 0..<100 { gate.signal() }
            while sent < all {
                let start = sent % request.count
                let count = client.sendNow(Array(request[start...]))
                if count > 0 {
                    sent += count
                } else {
                    try #require(errno == EAGAIN)
                    try await Task.sleep(for: .milliseconds(1))
                }
            }
            for _ in 0..<32 { #expect(try client.simpleReply() == (0, 1)) }
        }
        #expect(disk.calls.count == 32)
    }

    @Test func failuresOfTheDiskReachTheClient() async throws {
        let failures = FailureList()
        let full = WritableDisk(size: size) { throw BlockServiceError(.noSpace, "full") }
        try await servingWritable(full, onFailure: { failures.add($0) }) { server, _ in
            let client = try RawClient(path: server.socketPath)
            try client.enter("disk")
            try client.send(client.request(1, handle: 1, length: 3) + [1, 2, 3])
            #expect(try client.simpleReply() == (28, 1))
        }
        let broken = WritableDisk(size: size) { throw WritableDisk.Broken() }
        try await servingWritable(broken, onFailure: { failures.add($0) }) { server, _ in
            let client = try RawClient(path: server.socketPath)
            try client.enter("disk")
            try client.send(client.request(3, handle: 1))
            #expect(try client.simpleReply() == (5, 1))
        }
        #expect(failures.all.count == 2)
    }

    /// What one connection has written and flushed, the other reads; a FLUSH on either is one of the disk.
    @Test func connectionsSeeEachOthersWrites() async throws {
        let directory = try TemporaryDirectory()
        let base = MemorySource.sparse(blocks: 40)
        let overlay = try OverlaySource.open(at: directory("overlay"), base: CachedSource(base), name: "base")
        try await servingWritable(overlay) { server, _ in
            let clients = try (0..<2).map { _ in try RawClient(path: server.socketPath) }
            for client in clients { try client.enter("disk", structured: false) }
            var random = SeededGenerator(seed: 3)
            var model = base.bytes
            for round in 0..<200 {
                let (writer, reader) = (clients[round % 2], clients[(round + 1) % 2])
                let data = random.bytes(Int.random(in: 1..<9000, using: &random))
                let offset = Int.random(in: 0..<model.count - data.count, using: &random)
                try writer.send(
                    writer.request(
                        1, handle: 1, offset: UInt64(offset), length: UInt32(data.count), flags: UInt16(round % 7 / 6))
                        + data)
                #expect(try writer.simpleReply() == (0, 1))
                model.replaceSubrange(offset..<offset + data.count, with: data)
                let start = max(0, offset - 3000)
                let end = min(model.count, offset + data.count + 3000)
                try reader.send(reader.request(0, handle: 2, offset: UInt64(start), length: UInt32(end - start)))
                #expect(try reader.simpleReply() == (0, 2))
                #expect(try reader.receive(end - start)[...] == model[start..<end])
            }
        }
    }
}
