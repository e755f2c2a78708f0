import BlockService
import Foundation
import Synchronization
import Testing

/// Many requests at once, clients that go away, and clients that do not read.
@Suite struct LoadTests {
    /// Holds reads of one block until it is opened.
    private final class Gate: Sendable {
        private let semaphore = DispatchSemaphore(value: 0)

        func wait() { semaphore.wait() }
        func open(_ count: Int = 1) { for _ in 0..<count { semaphore.signal() } }
    }

    @Test func repliesOvertakeASlowRead() async throws {
        let gate = Gate()
        let source = MemorySource(MemorySource.sparse().bytes) { if $0 == 131_072 { gate.wait() } }
        try await serving(source) { server, _ in
            // Stopping waits for reads, however the test ends.
            defer { gate.open(100) }
            let client = try RawClient(path: server.socketPath)
            try client.enter("disk", structured: false)
            try client.send(client.request(0, handle: 1000, offset: 131_072, length: 512))
            for handle in UInt64(0)..<32 {
                try client.send(client.request(0, handle: handle, offset: 512 * handle, length: 512))
            }
            var handles: Set<UInt64> = []
            for _ in 0..<32 {
                handles.insert(try client.simpleReply().handle)
                _ = try client.receive(512)
            }
            #expect(handles == Set(0..<32))
            gate.open()
            #expect(try client.simpleReply() == (0, 1000))
        }
    }

    /// A read that is alone at first, and slow: another thread receives what comes after it, again and again.
    @Test func slowLoneReadsAreOvertaken() async throws {
        let gate = Gate()
        let source = MemorySource(MemorySource.sparse().bytes) { if $0 == 131_072 { gate.wait() } }
        try await serving(source) { server, _ in
            // Stopping waits for a read that has begun, however the test ends.
            defer { gate.open(100) }
            let client = try RawClient(path: server.socketPath)
            try client.enter("disk", structured: false)
            for round in UInt64(0)..<20 {
                try client.send(client.request(0, handle: 1000 + round, offset: 131_072, length: 512))
                try client.send(client.request(0, handle: round, offset: 512, length: 512))
                #expect(try client.simpleReply() == (0, round))
                _ = try client.receive(512)
                gate.open()
                #expect(try client.simpleReply() == (0, 1000 + round))
                _ = try client.receive(512)
                // And one that is alone and quick.
                try client.send(client.request(0, handle: 2000, offset: 512 * round, length: 512))
                #expect(try client.simpleReply() == (0, 2000))
                _ = try client.receive(512)
            }
            try client.send(client.request(0, handle: 1, offset: 131_072, length: 512))
        }
    }

    @Test func clientLeavesWithRequestsInFlight() async throws {
        let gate = Gate()
        let source = MemorySource(MemorySource.sparse().bytes) { if $0 < 4096 { gate.wait() } }
        var limits = NBDServer.Limits()
        limits.threads = 2
        try await serving(source, limits: limits) { server, _ in
            defer { gate.open(20 * 64) }
            for _ in 0..<20 {
                do {
                    let client = try RawClient(path: server.socketPath)
                    try client.enter("disk", structured: false)
                    try client.send((0..<64).flatMap { client.request(0, handle: $0, offset: $0, length: 100_000) })
                }
                gate.open(64)
            }
            gate.open(20 * 64)
            let client = try RawClient(path: server.socketPath)
            try client.enter("disk", structured: false)
            try client.send(client.request(0, handle: 1, offset: 131_072, length: 512))
            #expect(try client.simpleReply() == (0, 1))
        }
        // Requests of clients that had gone were not read at all, apart from those that had begun.
        #expect(source.readCount < 20 * 64)
    }

    @Test func clientThatDoesNotReadIsHeldBack() async throws {
        let source = MemorySource.sparse()
        var limits = NBDServer.Limits()
        limits.requestsPerConnection = 16
        try await serving(source, limits: limits) { server, _ in
            let client = try RawClient(path: server.socketPath)
            try client.enter("disk", structured: false)
            let requests = (0..<UInt64(20_000)).flatMap {
                client.request(0, handle: $0, offset: 131_072, length: 65_536)
            }
            // Sent without ever reading a reply, until nothing more is taken.
            var sent = 0
            while sent < requests.count {
                let count = client.sendNow(Array(requests[sent...]))
                if count <= 0 { break }
                sent += count
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(sent < requests.count)
            #expect(source.readCount < 100)
            // Then it reads: whatever was sent whole is answered.
            for _ in 0..<sent / 28 {
                #expect(try client.simpleReply().error == 0)
                _ = try client.receive(65_536)
            }
            #expect(source.readCount == sent / 28)
        }
    }

    @Test func optionsAreTakenOneAtATime() async throws {
        try await serving(.sparse()) { server, _ in
            let client = try RawClient(path: server.socketPath)
            try client.greet()
            try client.send((0..<900).flatMap { _ in client.option(3) } + client.option(2))
            // Each LIST: a server reply and an ACK; then the ACK of ABORT.
            let list = 20 + string("disk").count + "a disk for tests".utf8.count + 20
            #expect(try client.receiveAll() == 900 * list + 20)
        }
    }

    @Test func connectionsAreLimited() async throws {
        var limits = NBDServer.Limits()
        limits.connections = 3
        try await serving(.sparse(), limits: limits) { server, _ in
            do {
                let clients = try (0..<3).map { _ in try RawClient(path: server.socketPath) }
                for client in clients { try client.enter("disk") }
                for _ in 0..<5 {
                    let extra = try RawClient(path: server.socketPath)
                    #expect(throws: RawClient.Failure.self) { try extra.greet() }
                }
                try clients[0].send(clients[0].request(0, handle: 1, length: 512))
                #expect(try clients[0].chunks().map(\.type) == [1])
            }
            // When they have gone there is room again.
            while server.connectionCount > 0 { try await Task.sleep(for: .milliseconds(5)) }
            let client = try RawClient(path: server.socketPath)
            try client.enter("disk")
        }
    }

    @Test func stopClosesConnectionsAndRemovesTheSocket() async throws {
        let directory = try TemporaryDirectory()
        let server = try await NBDServer.start(
            exports: [NBDExport(name: "disk", source: MemorySource.sparse())], socketPath: directory("nbd.sock"))
        let client = try RawClient(path: server.socketPath)
        try client.enter("disk")
        await server.stop()
        #expect(throws: RawClient.Failure.self) { try client.receive(1) }
        #expect(!FileManager.default.fileExists(atPath: server.socketPath))
        #expect(throws: RawClient.Failure.self) { try RawClient(path: server.socketPath) }
        await server.stop()
    }
}
