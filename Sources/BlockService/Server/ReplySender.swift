import Glibc

/// Sends the replies of one connection in the order in which they are ready.
///
/// Whoever has a reply sends it, and with it what others add meanwhile; nobody waits for the client. When the socket is full, a thread
/// of the connection takes over, which begins with the first need.
final class ReplySender: Sendable {
    /// A reply, and what it takes of the connection's room until it is sent.
    struct Item: Sendable {
        var reply: NBDReply
        var cost: Int
    }

    fileprivate struct State {
        var items: [Item] = []
        /// Requests and bytes that are in flight: begun and not yet sent.
        var requests = 0
        var bytes = 0
        /// Someone is sending; he will also send what is added.
        var isSending = false
        /// What the socket did not take, for the sending thread.
        var rest: Batch?
        var hasThread = false
        /// The reader sleeps until something is sent.
        var readerWaits = false
        /// The client is gone: nothing is sent any more.
        var isDead = false
        /// The descriptor is not to be used any more.
        var isClosed = false
    }

    /// Replies that are being sent.
    fileprivate struct Batch {
        var items: [Item]
        /// The first that is not sent, and how much of it is.
        var first = 0
        var offset = 0
    }

    private let descriptor: CInt
    private let limits: NBDServer.Limits
    private let state = Monitor(State())
    /// Most replies given to the system at once.
    private static let vectorLimit = 64

    init(_ descriptor: CInt, limits: NBDServer.Limits) {
        self.descriptor = descriptor
        self.limits = limits
    }

    var isAlive: Bool { state.withLock { !$0.isDead } }

    /// Whether only one request is in flight.
    var isLone: Bool { state.withLock { $0.requests == 1 } }

    // MARK: Room

    /// Counts a request, if there is room for it.
    ///
    /// - Returns: false when something has to be sent before.
    func begin(cost: Int) -> Bool {
        state.withLock { $0.begin(cost, limits) }
    }

    /// Counts a request as soon as there is room for it.
    ///
    /// - Returns: false when the client is gone.
    func waitAndBegin(cost: Int) -> Bool {
        state.wait { state in
            if state.isDead { return false }
            state.readerWaits = !state.begin(cost, limits)
            return state.readerWaits ? nil : true
        }
    }

    /// Returns when nothing is in flight any more.
    func waitUntilIdle() {
        state.wait { state in
            state.readerWaits = state.requests > 0
            return state.readerWaits ? nil : ()
        }
    }

    /// Uncounts a request that is not answered.
    func drop(cost: Int) {
        let wakes = state.withLock { $0.finish(1, cost) }
        if wakes { state.broadcast() }
    }

    // MARK: Sending

    /// Sends replies to requests that were counted.
    func send(_ items: [Item]) {
        let (isSender, wakes) = state.withLock { state -> (Bool, Bool) in
            if state.isDead { return (false, state.finish(items.count, items.reduce(0) { $0 + $1.cost })) }
            state.items += items
            if state.isSending { return (false, false) }
            state.isSending = true
            return (true, false)
        }
        if wakes { state.broadcast() }
        if isSender { send(Batch(items: []), mayWait: false) }
    }

    /// Sends a batch and then whatever was added, until there is nothing.
    private func send(_ batch: Batch, mayWait: Bool) {
        var batch = batch
        while true {
            while batch.first < batch.items.count {
                let result = transmit(batch, mayWait: mayWait)
                if result > 0 {
                    batch.advance(result)
                } else if result < 0, errno == EINTR {
                    continue
                } else if result < 0, errno == EAGAIN {
                    return handOver(batch)
                } else {
                    die()
                    break
                }
            }
            let items = batch.items
            let (next, wakes) = state.withLock { state -> ([Item], Bool) in
                var wakes = state.finish(items.count, items.reduce(0) { $0 + $1.cost })
                if state.isDead {
                    wakes = state.finish(state.items.count, state.items.reduce(0) { $0 + $1.cost }) || wakes
                    state.items = []
                }
                let next = state.items
                state.items = []
                if next.isEmpty { state.isSending = false }
                return (next, wakes)
            }
            if wakes { state.broadcast() }
            if next.isEmpty { return }
            batch = Batch(items: next)
        }
    }

    /// Gives the system the unsent bytes of some replies.
    private func transmit(_ batch: Batch, mayWait: Bool) -> Int {
        let range = batch.first..<min(batch.first + Self.vectorLimit, batch.items.count)
        return withUnsafeTemporaryAllocation(of: iovec.self, capacity: range.count) { vectors in
            for (slot, index) in range.enumerated() {
                let bytes = batch.items[index].reply.bytes
                let skipped = index == batch.first ? batch.offset : 0
                // The system only reads them.
                let base = UnsafeMutableRawPointer(mutating: bytes.baseAddress.map { $0 + skipped })
                vectors.initializeElement(at: slot, to: iovec(iov_base: base, iov_len: bytes.count - skipped))
            }
            var message = msghdr()
            message.msg_iov = vectors.baseAddress
            message.msg_iovlen = range.count
            let flags = CInt(MSG_NOSIGNAL) | (mayWait ? 0 : CInt(MSG_DONTWAIT))
            // The batch owns the replies' memory until this returns.
            return withExtendedLifetime(batch.items) { sendmsg(descriptor, &message, flags) }
        }
    }

    /// Leaves the rest to the sending thread, which may wait for the client.
    private func handOver(_ rest: Batch) {
        let needsThread = state.withLock { state in
            state.rest = rest
            defer { state.hasThread = true }
            return !state.hasThread
        }
        guard needsThread else { return state.broadcast() }
        if SystemThread.start({ self.sendRests() }) { return }
        // Without a thread the client cannot be waited for.
        die()
        state.withLock { $0.hasThread = false }
        if let rest = takeRest() { send(rest, mayWait: true) }
    }

    private func takeRest() -> Batch? {
        state.withLock { state in
            defer { state.rest = nil }
            return state.rest
        }
    }

    private func sendRests() {
        while let rest = state.wait(until: { state -> Batch?? in
            if let rest = state.rest {
                state.rest = nil
                return rest
            }
            if state.isClosed {
                state.hasThread = false
                return .some(nil)
            }
            return nil
        }) {
            send(rest, mayWait: true)
        }
        state.broadcast()
    }

    // MARK: The end

    /// Ends the connection in both directions; who waits for the socket goes on.
    func die() {
        state.withLock { state in
            state.isDead = true
            if !state.isClosed { shutdown(descriptor, CInt(SHUT_RDWR)) }
        }
        state.broadcast()
    }

    /// Closes the descriptor, when nothing is in flight any more.
    func close() {
        waitUntilIdle()
        state.withLock {
            $0.isDead = true
            $0.isClosed = true
        }
        state.broadcast()
        state.wait { $0.hasThread || $0.isSending ? nil : () }
        Glibc.close(descriptor)
    }
}

extension ReplySender.State {
    /// Counts a request when there is room: always for one, else while both limits hold.
    fileprivate mutating func begin(_ cost: Int, _ limits: NBDServer.Limits) -> Bool {
        guard requests == 0 || (requests < limits.requestsPerConnection && bytes < limits.bytesPerConnection) else {
            return false
        }
        requests += 1
        bytes += cost
        return true
    }

    /// Uncounts requests.
    ///
    /// - Returns: Whether the reader waits for this.
    fileprivate mutating func finish(_ count: Int, _ cost: Int) -> Bool {
        requests -= count
        bytes -= cost
        return readerWaits
    }
}

extension ReplySender.Batch {
    fileprivate mutating func advance(_ count: Int) {
        offset += count
        while first < items.count, offset >= items[first].reply.count {
            offset -= items[first].reply.count
            first += 1
        }
    }
}
