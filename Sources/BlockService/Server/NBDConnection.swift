import Glibc

/// One client: a thread reads and parses what it sends and answers what is at hand; the rest is answered by the pool.
final class NBDConnection: Sendable {
    private let descriptor: CInt
    private let table: NBDExportTable
    private let memory: MemoryPool
    private let workers: WorkerPool
    private let limits: NBDServer.Limits
    private let onFailure: @Sendable (NBDFailure) -> Void
    private let sender: ReplySender

    /// - Parameter descriptor: A connected socket, which is the connection's from now on.
    init(
        _ descriptor: CInt, table: NBDExportTable, memory: MemoryPool, workers: WorkerPool, limits: NBDServer.Limits,
        onFailure: @escaping @Sendable (NBDFailure) -> Void
    ) {
        self.descriptor = descriptor
        self.table = table
        self.memory = memory
        self.workers = workers
        self.limits = limits
        self.onFailure = onFailure
        sender = ReplySender(descriptor, limits: limits)
        var size = Self.sendBuffer
        setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<CInt>.size))
    }

    /// Asked of the system, which may give less: several replies of a usual size, so that a client finds the next when it has read one.
    private static let sendBuffer: CInt = 1 << 20
    /// Replies that are ready are sent together up to this size.
    private static let gatheredBytes = 256 << 10

    /// Serves the client until it leaves. Blocks.
    func run() {
        converse()
        sender.close()
    }

    /// Ends the connection; ``run()`` returns soon.
    func interrupt() { sender.die() }

    private func converse() {
        var input = InputBuffer()
        var conversation = NBDConversation(table, pool: memory)
        var ready: [ReplySender.Item] = []
        var readyBytes = 0
        func sendReady() {
            guard !ready.isEmpty else { return }
            sender.send(ready)
            ready.removeAll(keepingCapacity: true)
            readyBytes = 0
        }
        guard sendHandshake(NBDNegotiation.greeting) else { return }
        while true {
            switch conversation.next(&input) {
            case .needsInput:
                sendReady()
                guard receive(&input) else { return sender.die() }
            case .send(let bytes):
                guard sendHandshake(bytes) else { return }
            case .end(let bytes):
                sendReady()
                _ = sendHandshake(bytes)
                return sender.waitUntilIdle()
            case .request(let request, let session):
                if !sender.begin(cost: request.cost) {
                    sendReady()
                    guard sender.waitAndBegin(cost: request.cost) else { return }
                }
                if request.payloadLength > 0 {
                    sendReady()
                    guard let payload = receivePayload(request.payloadLength, &input) else {
                        sender.drop(cost: request.cost)
                        return sender.die()
                    }
                    leave(request, payload, session)
                } else if let reply = session.replyNow(to: request) {
                    ready.append(ReplySender.Item(reply: reply, cost: request.cost))
                    readyBytes += reply.count
                    if readyBytes >= Self.gatheredBytes { sendReady() }
                } else {
                    leave(request, nil, session)
                }
            }
        }
    }

    /// Sends bytes of the handshake, one option's after the other, so that a client that does not read them gets no more.
    private func sendHandshake(_ bytes: [UInt8]) -> Bool {
        guard !bytes.isEmpty else { return true }
        guard sender.waitAndBegin(cost: limits.bytesPerConnection) else { return false }
        sender.send([ReplySender.Item(reply: NBDReply(bytes), cost: limits.bytesPerConnection)])
        return true
    }

    private func receive(_ input: inout InputBuffer) -> Bool {
        input.fill { room in
            var count: Int
            repeat { count = recv(descriptor, room.baseAddress, room.count, 0) } while count < 0 && errno == EINTR
            return count
        } > 0
    }

    /// All of a payload; nil when the client leaves before.
    private func receivePayload(_ length: Int, _ input: inout InputBuffer) -> Memory? {
        let payload = memory.memory(count: length)
        var done = input.take(into: UnsafeMutableRawBufferPointer(rebasing: payload.bytes[..<length]))
        while done < length {
            let rest = payload.bytes.baseAddress.map { $0 + done }
            let count = recv(descriptor, rest, length - done, CInt(MSG_WAITALL))
            if count > 0 { done += count } else if count == 0 || errno != EINTR { return nil }
        }
        return payload
    }

    /// Has a thread of the pool answer a request.
    private func leave(_ request: NBDRequest, _ payload: Memory?, _ session: NBDSession) {
        let isTaken = workers.submit { [sender, onFailure] in
            // A client that has gone gets nothing done any more that was not begun.
            guard sender.isAlive else { return sender.drop(cost: request.cost) }
            let bytes = payload.map { UnsafeRawBufferPointer(rebasing: $0.bytes[..<request.payloadLength]) }
            let (reply, failure) = withExtendedLifetime(payload) {
                session.reply(to: request, payload: bytes ?? UnsafeRawBufferPointer(start: nil, count: 0))
            }
            if let failure {
                onFailure(
                    NBDFailure(
                        export: session.export.name, offset: request.offset, length: request.length, error: failure))
            }
            sender.send([ReplySender.Item(reply: reply, cost: request.cost)])
        }
        if !isTaken {
            sender.drop(cost: request.cost)
            sender.die()
        }
    }
}
