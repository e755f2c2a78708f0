import Glibc
import Synchronization

/// One client: a thread receives and parses what it sends and answers what is at hand; the rest is answered by the pool.
///
/// A small read that is alone in flight is answered by the receiving thread too, because the pool would take longer to wake up than to
/// answer. Should it take long, the ``Watchdog`` starts another receiving thread in its place.
final class NBDConnection: Sendable {
    /// What the receiving thread works with.
    ///
    /// `@unchecked Sendable`: only the receiving thread touches it, and there is one at a time: `lone` says which.
    private final class Input: @unchecked Sendable {
        var buffer = InputBuffer()
        var conversation: NBDConversation
        init(_ conversation: NBDConversation) { self.conversation = conversation }
    }

    private let descriptor: CInt
    private let memory: MemoryPool
    private let workers: WorkerPool
    private let watchdog: Watchdog
    private let limits: NBDServer.Limits
    private let onFailure: @Sendable (NBDFailure) -> Void
    private let sender: ReplySender
    private let input: Input
    /// When the receiving thread began to answer a lone read, in ticks of the watchdog; 0 when it does not; `replaced` when another thread
    /// receives now.
    private let lone = Atomic<UInt64>(0)
    private static let replaced = UInt64.max

    /// - Parameter descriptor: A connected socket, which is the connection's from now on.
    init(
        _ descriptor: CInt, table: NBDExportTable, memory: MemoryPool, workers: WorkerPool, watchdog: Watchdog,
        limits: NBDServer.Limits, onFailure: @escaping @Sendable (NBDFailure) -> Void
    ) {
        self.descriptor = descriptor
        self.watchdog = watchdog
        input = Input(NBDConversation(table, pool: memory))
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

    /// Lone reads up to this size are answered by the receiving thread.
    private static let largestLoneRead: UInt32 = 64 << 10

    /// Serves the client until it leaves.
    ///
    /// - Parameter onEnd: Called when it has left, on any thread.
    func run(onEnd: @escaping @Sendable () -> Void) {
        if sendHandshake(NBDNegotiation.greeting) { receiveAll(onEnd) } else { end(onEnd) }
    }

    /// Receives on this thread until the client leaves, or another thread receives.
    private func receiveAll(_ onEnd: @escaping @Sendable () -> Void) {
        if converse(onEnd) { end(onEnd) }
    }

    private func end(_ onEnd: () -> Void) {
        sender.close()
        onEnd()
    }

    /// Ends the connection; ``run()`` returns soon.
    func interrupt() { sender.die() }

    /// - Returns: false when another thread goes on in place of this one.
    private func converse(_ onEnd: @escaping @Sendable () -> Void) -> Bool {
        var ready: [ReplySender.Item] = []
        var readyBytes = 0
        func sendReady() {
            guard !ready.isEmpty else { return }
            sender.send(ready)
            ready.removeAll(keepingCapacity: true)
            readyBytes = 0
        }
        while true {
            switch input.conversation.next(&input.buffer) {
            case .needsInput:
                sendReady()
                guard receive() else {
                    sender.die()
                    return true
                }
            case .send(let bytes):
                guard sendHandshake(bytes) else { return true }
            case .end(let bytes):
                sendReady()
                _ = sendHandshake(bytes)
                sender.waitUntilIdle()
                return true
            case .request(let request, let session):
                if !sender.begin(cost: request.cost) {
                    sendReady()
                    guard sender.waitAndBegin(cost: request.cost) else { return true }
                }
                if request.payloadLength > 0 {
                    sendReady()
                    guard let payload = receivePayload(request.payloadLength) else {
                        sender.drop(cost: request.cost)
                        sender.die()
                        return true
                    }
                    leave(request, payload, session)
                } else if let reply = session.replyNow(to: request) {
                    ready.append(ReplySender.Item(reply: reply, cost: request.cost))
                    readyBytes += reply.count
                    if readyBytes >= Self.gatheredBytes { sendReady() }
                } else if request.command == .read, request.length <= Self.largestLoneRead, ready.isEmpty,
                    input.buffer.count == 0, sender.isLone
                {
                    guard answerLone(request, session, onEnd) else { return false }
                } else {
                    leave(request, nil, session)
                }
            }
        }
    }

    /// Answers a read on the receiving thread.
    ///
    /// - Returns: false when that took so long that another thread receives now.
    private func answerLone(
        _ request: NBDRequest, _ session: NBDSession, _ onEnd: @escaping @Sendable () -> Void
    ) -> Bool {
        lone.store(watchdog.tick(), ordering: .sequentiallyConsistent)
        let reply = reply(to: request, nil, session)
        // Before it is sent: while it is in flight, the other thread answers no lone read, so that this one's mark is its own.
        let isReplaced = lone.exchange(0, ordering: .sequentiallyConsistent) == Self.replaced
        send(reply, to: request)
        return !isReplaced
    }

    /// Has another thread receive if the receiving one has been at a lone read for some ticks.
    func replaceSlowReceiver(at tick: UInt64, _ onEnd: @escaping @Sendable () -> Void) {
        let began = lone.load(ordering: .sequentiallyConsistent)
        guard began != 0, began != Self.replaced, tick >= began + 2,
            lone.compareExchange(expected: began, desired: Self.replaced, ordering: .sequentiallyConsistent).exchanged
        else { return }
        if !SystemThread.start({ self.receiveAll(onEnd) }) {
            // Nobody would receive any more.
            sender.die()
            sender.waitUntilIdle()
            end(onEnd)
        }
    }

    /// Sends bytes of the handshake, one option's after the other, so that a client that does not read them gets no more.
    private func sendHandshake(_ bytes: [UInt8]) -> Bool {
        guard !bytes.isEmpty else { return true }
        guard sender.waitAndBegin(cost: limits.bytesPerConnection) else { return false }
        sender.send([ReplySender.Item(reply: NBDReply(bytes), cost: limits.bytesPerConnection)])
        return true
    }

    private func receive() -> Bool {
        input.buffer.fill { room in
            var count: Int
            repeat { count = recv(descriptor, room.baseAddress, room.count, 0) } while count < 0 && errno == EINTR
            return count
        } > 0
    }

    /// All of a payload; nil when the client leaves before.
    private func receivePayload(_ length: Int) -> Memory? {
        let payload = memory.memory(count: length)
        var done = input.buffer.take(into: UnsafeMutableRawBufferPointer(rebasing: payload.bytes[..<length]))
        while done < length {
            let rest = payload.bytes.baseAddress.map { $0 + done }
            let count = recv(descriptor, rest, length - done, CInt(MSG_WAITALL))
            if count > 0 { done += count } else if count == 0 || errno != EINTR { return nil }
        }
        return payload
    }

    /// Has a thread of the pool answer a request.
    private func leave(_ request: NBDRequest, _ payload: Memory?, _ session: NBDSession) {
        if workers.submit({ self.send(self.reply(to: request, payload, session), to: request) }) { return }
        sender.drop(cost: request.cost)
        sender.die()
    }

    /// The reply to a request, for which the source may block; nil when the client has gone.
    private func reply(to request: NBDRequest, _ payload: Memory?, _ session: NBDSession) -> NBDReply? {
        // A client that has gone gets nothing done any more that was not begun.
        guard sender.isAlive else { return nil }
        let bytes = payload.map { UnsafeRawBufferPointer(rebasing: $0.bytes[..<request.payloadLength]) }
        let (reply, failure) = withExtendedLifetime(payload) {
            session.reply(to: request, payload: bytes ?? UnsafeRawBufferPointer(start: nil, count: 0))
        }
        if let failure {
            onFailure(
                NBDFailure(
                    export: session.export.name, offset: request.offset, length: request.length, error: failure))
        }
        return reply
    }

    private func send(_ reply: NBDReply?, to request: NBDRequest) {
        guard let reply else { return sender.drop(cost: request.cost) }
        sender.send([ReplySender.Item(reply: reply, cost: request.cost)])
    }
}
