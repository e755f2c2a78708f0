import Foundation
import Hypervisor

/// Runs a body on a thread of its own with a deep stack: an engine's run is long and blocks.
///
/// - Parameters:
///   - name: the thread's name in tools of the host.
///   - stop: called when the task is cancelled; the body winds up then and ends in its own way.
func onDeepThread<Value: Sendable>(
    _ name: String, stop: @escaping @Sendable () -> Void, _ body: @escaping @Sendable () throws -> Value
) async throws -> Value {
    try await withTaskCancellationHandler {
        try await withCheckedThrowingContinuation { (done: CheckedContinuation<Value, any Error>) in
            let thread = Thread { done.resume(with: Result { try body() }) }
            thread.stackSize = 16 << 20
            thread.name = name
            thread.start()
        }
    } onCancel: {
        stop()
    }
}

extension Stemma {
    /// Runs `body` on a thread with a deep stack, until it is done or a signal has `stop` bring about its end: its result counts in both cases.
    ///
    /// - Parameter interruption: what the user is told after a signal.
    func untilInterrupted<Value: Sendable>(
        onThread name: String, interruption: String, stop: @escaping @Sendable () -> Void,
        _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        let outcome = await Interruption.outcome { try await onDeepThread(name, stop: stop, body) }
        if outcome.signal != nil { progress.step(interruption) }
        return try outcome.result.get()
    }
}
