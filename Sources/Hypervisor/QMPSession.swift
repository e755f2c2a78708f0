import Synchronization

/// The state of a QMP connection: who waits for what. Fed by the channel handler, asked by the client.
final class QMPSession: Sendable {
    private struct State {
        var version: QEMURelease?
        /// Set when the connection has ended: why.
        var end: HypervisorError?
        var lastID: Int64 = 0
        var lastStream: Int = 0
        var greeting: CheckedContinuation<Void, any Error>?
        var pending: [Int64: (command: String, continuation: CheckedContinuation<[UInt8], any Error>)] = [:]
        var streams: [Int: AsyncStream<QMPEvent>.Continuation] = [:]
    }

    private let state = Mutex(State())

    var version: QEMURelease? { state.withLock { $0.version } }

    func nextID() -> Int64 {
        state.withLock {
            $0.lastID += 1
            return $0.lastID
        }
    }

    /// Waits for the greeting.
    func greeting() async throws {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let outcome: Result<Void, any Error>? = state.withLock { state in
                    if state.version != nil { return .success(()) }
                    if let end = state.end { return .failure(end) }
                    if Task.isCancelled { return .failure(CancellationError()) }
                    state.greeting = continuation
                    return nil
                }
                if let outcome { continuation.resume(with: outcome) }
            }
        } onCancel: {
            takeGreeting()?.resume(throwing: CancellationError())
        }
    }

    /// Registers a waiter for the answer to command `id`, sends the command, and waits.
    func reply(to id: Int64, command: String, send: () -> Void) async throws -> [UInt8] {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<[UInt8], any Error>) in
                let refusal: (any Error)? = state.withLock { state in
                    if let end = state.end { return end }
                    if Task.isCancelled { return CancellationError() }
                    state.pending[id] = (command, continuation)
                    return nil
                }
                if let refusal { continuation.resume(throwing: refusal) } else { send() }
            }
        } onCancel: {
            takePending(id)?.continuation.resume(throwing: CancellationError())
        }
    }

    func events() -> AsyncStream<QMPEvent> {
        let (stream, continuation) = AsyncStream.makeStream(of: QMPEvent.self)
        let token: Int? = state.withLock { state in
            guard state.end == nil else { return nil }
            state.lastStream += 1
            state.streams[state.lastStream] = continuation
            return state.lastStream
        }
        guard let token else {
            continuation.finish()
            return stream
        }
        continuation.onTermination = { [weak self] _ in
            _ = self?.state.withLock { $0.streams.removeValue(forKey: token) }
        }
        return stream
    }

    /// Routes a message to who waits for it.
    func receive(_ message: QMPMessage) {
        switch message {
        case .greeting(let version):
            state.withLock { $0.version = version }
            takeGreeting()?.resume()
        case .success(let id, let line):
            if let id { takePending(id)?.continuation.resume(returning: line) }
        case .failure(let id, let errorClass, let description):
            // An error without an id answers something that could not be parsed: nothing here sends that.
            guard let id, let waiter = takePending(id) else { return }
            waiter.continuation.resume(
                throwing: HypervisorError(
                    .qmp(class: errorClass), "QEMU refused '\(waiter.command)'.", cause: description))
        case .event(let event):
            let streams = state.withLock { Array($0.streams.values) }
            for stream in streams { stream.yield(event) }
        }
    }

    /// Ends the session once: everything that waits fails with this error.
    func end(_ error: HypervisorError) {
        let (greeting, pending, streams) = state.withLock { state in
            if state.end == nil { state.end = error }
            defer {
                state.greeting = nil
                state.pending = [:]
                state.streams = [:]
            }
            return (state.greeting, Array(state.pending.values), Array(state.streams.values))
        }
        greeting?.resume(throwing: error)
        for waiter in pending { waiter.continuation.resume(throwing: error) }
        for stream in streams { stream.finish() }
    }

    private func takeGreeting() -> CheckedContinuation<Void, any Error>? {
        state.withLock { state in
            defer { state.greeting = nil }
            return state.greeting
        }
    }

    private func takePending(
        _ id: Int64
    ) -> (command: String, continuation: CheckedContinuation<[UInt8], any Error>)? {
        state.withLock { $0.pending.removeValue(forKey: id) }
    }
}
