import Glibc

/// A listening socket and the thread that accepts from it.
final class Listener: Sendable {
    private struct State {
        var isRunning = false
        var isStopped = false
    }

    private let descriptor: CInt
    private let state = Monitor(State())

    /// - Parameter descriptor: A listening socket, which is the listener's from now on.
    init(_ descriptor: CInt) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Calls `take` with each connected socket, which is then its to close.
    ///
    /// - Returns: false when the system has no thread for it.
    func start(_ take: @escaping @Sendable (CInt) -> Void) -> Bool {
        state.withLock { $0.isRunning = true }
        let isStarted = SystemThread.start { [self] in
            while !state.withLock({ $0.isStopped }) {
                let client = SystemCalls.accept(descriptor)
                if client >= 0 {
                    take(client)
                } else if errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS {
                    // Out of descriptors or memory: that may pass. The client waits meanwhile.
                    usleep(50_000)
                } else if errno != EINTR && errno != ECONNABORTED {
                    break
                }
            }
            state.withLock { $0.isRunning = false }
            state.broadcast()
        }
        if !isStarted { state.withLock { $0.isRunning = false } }
        return isStarted
    }

    /// Accepts nothing more; returns when the thread has ended.
    ///
    /// - Returns: false when it was stopped before.
    func stop() -> Bool {
        let isFirst = state.withLock { state in
            defer { state.isStopped = true }
            return !state.isStopped
        }
        // Wakes the thread, whose accept then fails.
        if isFirst { shutdown(descriptor, CInt(SHUT_RDWR)) }
        state.wait { $0.isRunning ? nil : () }
        return isFirst
    }
}
