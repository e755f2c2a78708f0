import Dispatch
import Glibc
import Synchronization

/// Turns Ctrl-C and its relatives into cancellation.
package enum Interruption {
    /// Runs an operation; SIGINT, SIGTERM or SIGHUP cancels its task, and the operation winds up.
    ///
    /// A headless QEMU is in a process group of its own, so Ctrl-C reaches only this process, which then ends QEMU in
    /// order. A second signal ends this process at once (status 128 + number); the kernel then kills QEMU.
    ///
    /// - Throws: ``HypervisorError`` with `.interrupted` after a signal, else what the operation throws.
    package static func cancelling<Result: Sendable>(
        on signals: [Int32] = [SIGINT, SIGTERM, SIGHUP],
        _ operation: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        let box = SignalBox()
        let previous = signals.map { signal($0, SIG_IGN) }
        let sources = signals.map { DispatchSource.makeSignalSource(signal: $0, queue: .global()) }
        let (cancellations, cancellation) = AsyncStream.makeStream(of: Void.self)
        for (number, source) in zip(signals, sources) {
            source.setEventHandler {
                if box.note(number) { cancellation.finish() } else { _exit(128 + number) }
            }
            // No signal shall be lost: the work begins when the source is in place.
            await withCheckedContinuation { (installed: CheckedContinuation<Void, Never>) in
                source.setRegistrationHandler { installed.resume() }
                source.resume()
            }
        }
        let task = Task { try await operation() }
        let canceller = Task {
            for await _ in cancellations {}
            task.cancel()
        }
        defer {
            cancellation.finish()
            canceller.cancel()
            for source in sources { source.cancel() }
            for (number, handler) in zip(signals, previous) { signal(number, handler) }
        }
        let outcome = await withTaskCancellationHandler {
            await task.result
        } onCancel: {
            task.cancel()
        }
        if let number = box.number {
            throw HypervisorError(.interrupted, "Interrupted by signal \(number); what was finished before is kept.")
        }
        return try outcome.get()
    }

    /// Remembers the first signal.
    private final class SignalBox: Sendable {
        private let received = Mutex<Int32?>(nil)

        var number: Int32? { received.withLock { $0 } }

        /// Whether this was the first.
        func note(_ signal: Int32) -> Bool {
            received.withLock { first in
                guard first == nil else { return false }
                first = signal
                return true
            }
        }
    }
}
