import Foundation
import Synchronization

/// A child process: spawned, watched and reaped by a thread of its own.
///
/// The thread matters: the kernel delivers the parent-death signal (prctl(2), PR_SET_PDEATHSIG) when the *thread* that
/// created the child ends, so a pool thread must not spawn QEMU.
final class ChildProcess: Sendable {
    private struct State {
        var exit: ProcessExit?
        var lastWaiter = 0
        var waiters: [Int: CheckedContinuation<ProcessExit?, Never>] = [:]
    }

    let id: pid_t
    private let state = Mutex(State())

    private init(id: pid_t) { self.id = id }

    /// Starts a program.
    ///
    /// - Throws: ``HypervisorError`` with `.qemuNotFound` when it cannot be executed.
    static func spawn(_ request: SpawnRequest) async throws -> ChildProcess {
        try await withCheckedThrowingContinuation { continuation in
            let thread = Thread {
                switch request.start() {
                case .failure(let error): continuation.resume(throwing: error)
                case .success(let id):
                    let child = ChildProcess(id: id)
                    continuation.resume(returning: child)
                    child.reap()
                }
            }
            thread.name = "child \(request.arguments.first ?? "")"
            thread.start()
        }
    }

    /// How it ended, or `nil` while it runs.
    var exit: ProcessExit? { state.withLock { $0.exit } }

    /// Sends a signal, unless the process has been reaped: its number may belong to another process then.
    func signal(_ number: Int32) {
        state.withLock { if $0.exit == nil { _ = kill(id, number) } }
    }

    /// Waits for the end; `nil` when the waiting task is cancelled.
    func waitForExit() async -> ProcessExit? {
        let token = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let known: ProcessExit?? = state.withLock { state in
                    if let exit = state.exit { return .some(exit) }
                    if Task.isCancelled { return .some(nil) }
                    state.waiters[token] = continuation
                    return nil
                }
                if let known { continuation.resume(returning: known) }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: token) }?.resume(returning: nil)
        }
    }

    /// Waits for the end with a limit; `nil` when the limit came first.
    func waitForExit(within limit: Duration) async -> ProcessExit? {
        let result = try? await withTimeout(limit) { await self.waitForExit() }
        return result ?? nil
    }

    private func reap() {
        // Wait without reaping, so that the process number stays ours until the state says that it ended.
        var information = siginfo_t()
        while waitid(P_PID, id_t(id), &information, WEXITED | WNOWAIT) != 0, errno == EINTR {}
        let (exit, waiters) = state.withLock { state in
            var status: Int32 = 0
            while waitpid(id, &status, 0) < 0, errno == EINTR {}
            let exit: ProcessExit = status & 0x7f == 0 ? .code((status >> 8) & 0xff) : .signal(status & 0x7f)
            state.exit = exit
            defer { state.waiters = [:] }
            return (exit, Array(state.waiters.values))
        }
        for waiter in waiters { waiter.resume(returning: exit) }
    }
}
