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
    package static func cancelling<Value: Sendable>(
        on signals: [Int32] = [SIGINT, SIGTERM, SIGHUP], _ operation: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let outcome = await outcome(on: signals, of: operation)
        if let signal = outcome.signal { throw interrupted(by: signal) }
        return try outcome.result.get()
    }

    /// As ``cancelling(on:_:)``, for work that a signal ends in order and that then has a result.
    ///
    /// - Returns: what the operation returned or threw (instead of `CancellationError` after a signal, ``HypervisorError`` with
    ///   `.interrupted`), and the signal that cancelled it, if one did.
    package static func outcome<Value: Sendable>(
        on signals: [Int32] = [SIGINT, SIGTERM, SIGHUP], of operation: @escaping @Sendable () async throws -> Value
    ) async -> (result: Result<Value, any Error>, signal: Int32?) {
        let box = SignalBox()
        let (cancellations, cancellation) = AsyncStream.makeStream(of: Void.self)
        // No signal shall be lost: the work begins when somebody listens.
        let listener = await SignalHub.shared.listen(to: signals) { number in
            if box.note(number) { cancellation.finish() } else { _exit(128 + number) }
        }
        let task = Task { try await operation() }
        let canceller = Task {
            for await _ in cancellations {}
            task.cancel()
        }
        defer {
            SignalHub.shared.forget(listener)
            cancellation.finish()
            canceller.cancel()
        }
        let result = await withTaskCancellationHandler {
            await task.result
        } onCancel: {
            task.cancel()
        }
        guard let signal = box.number, case .failure(let error) = result, error is CancellationError else {
            return (result, box.number)
        }
        return (.failure(interrupted(by: signal)), signal)
    }

    private static func interrupted(by signal: Int32) -> HypervisorError {
        HypervisorError(.interrupted, "Interrupted by signal \(signal); what was finished before is kept.")
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
