import Dispatch
import Glibc
import Synchronization

/// Tells the signals that the process gets to every operation under way that listens, also to one within another.
///
/// There is one for the process, as there is one disposition of each signal. On Linux, Dispatch installs its handler of a signal with the first source
/// for it, and not again with a later one: so a source, once made, stays for the life of the process. A signal that nobody listens to does what it
/// would do without.
final class SignalHub: Sendable {
    static let shared = SignalHub()

    private struct Listener {
        let signals: [Int32]
        let tell: @Sendable (Int32) -> Void
    }

    private struct State {
        /// For each signal, done when its source is in place.
        var sources: [Int32: Task<Void, Never>] = [:]
        var listeners: [Int: Listener] = [:]
        var next = 0
    }

    private let state = Mutex(State())

    private init() {}

    /// Begins to listen. When it returns, no signal is lost.
    ///
    /// A hangup that was ignored from the start, as `nohup` has it, stays ignored.
    ///
    /// - Parameter tell: called on any thread, for each of these signals.
    /// - Returns: the number for ``forget(_:)``.
    func listen(to signals: [Int32], tell: @escaping @Sendable (Int32) -> Void) async -> Int {
        let (number, sources) = state.withLock { state in
            for signal in signals where state.sources[signal] == nil && !Self.isToBeIgnored(signal) {
                state.sources[signal] = Task { await self.watch(signal) }
            }
            state.next += 1
            state.listeners[state.next] = Listener(signals: signals, tell: tell)
            return (state.next, signals.compactMap { state.sources[$0] })
        }
        for source in sources { await source.value }
        return number
    }

    /// Ends listening.
    func forget(_ number: Int) { state.withLock { $0.listeners[number] = nil } }

    private static func isToBeIgnored(_ number: Int32) -> Bool {
        var action = sigaction()
        guard number == SIGHUP, sigaction(number, nil, &action) == 0 else { return false }
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
            == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    private func watch(_ number: Int32) async {
        let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
        source.setEventHandler {
            // The source lives as long as its handler.
            withExtendedLifetime(source) { self.deliver(number) }
        }
        await withCheckedContinuation { (installed: CheckedContinuation<Void, Never>) in
            source.setRegistrationHandler { installed.resume() }
            source.resume()
        }
    }

    private func deliver(_ number: Int32) {
        // What is within something else is told first.
        let listeners = state.withLock { state in
            state.listeners.sorted { $0.key > $1.key }.map(\.value).filter { $0.signals.contains(number) }
        }
        for listener in listeners { listener.tell(number) }
        if listeners.isEmpty { Self.end(by: number) }
    }

    /// What the signal would have done.
    private static func end(by number: Int32) {
        signal(number, SIG_DFL)
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, number)
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        raise(number)
    }
}
