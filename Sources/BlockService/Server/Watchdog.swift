import Glibc
import Synchronization

/// Counts milliseconds while there are lone reads, and looks after threads that take long with them.
///
/// A tick is a rough time that costs its readers nothing.
final class Watchdog: Sendable {
    private struct State {
        var isAsleep = true
        var isRunning = false
        var isStopped = false
    }

    private let state = Monitor(State())
    private let now = Atomic<UInt64>(1)
    /// The last tick that somebody asked for.
    private let lastUse = Atomic<UInt64>(1)
    private let isAsleep = Atomic(true)
    /// Ticks without a use after which it sleeps.
    private static let patience: UInt64 = 1000

    /// The tick now; never 0. There will be more of them.
    func tick() -> UInt64 {
        let tick = now.load(ordering: .sequentiallyConsistent)
        lastUse.store(tick, ordering: .sequentiallyConsistent)
        if isAsleep.load(ordering: .sequentiallyConsistent) { wake() }
        return tick
    }

    private func wake() {
        state.withLock { state in
            isAsleep.store(false, ordering: .sequentiallyConsistent)
            state.isAsleep = false
        }
        state.broadcast()
    }

    /// Goes to sleep after a long time without a use.
    private func rest(_ tick: UInt64) {
        guard tick > lastUse.load(ordering: .sequentiallyConsistent) + Self.patience else { return }
        // Who uses it from here on either sees this, or its use is seen below.
        isAsleep.store(true, ordering: .sequentiallyConsistent)
        if tick > lastUse.load(ordering: .sequentiallyConsistent) + Self.patience {
            state.withLock { $0.isAsleep = isAsleep.load(ordering: .sequentiallyConsistent) }
        } else {
            wake()
        }
    }

    /// Calls `look` with each tick until it is stopped.
    ///
    /// - Returns: false when the system has no thread for it.
    func start(_ look: @escaping @Sendable (UInt64) -> Void) -> Bool {
        state.withLock { $0.isRunning = true }
        let isStarted = SystemThread.start { [self] in
            while state.wait(until: { $0.isStopped ? false : $0.isAsleep ? nil : true }) {
                usleep(1000)
                let tick = now.add(1, ordering: .sequentiallyConsistent).newValue
                look(tick)
                rest(tick)
            }
            state.withLock { $0.isRunning = false }
            state.broadcast()
        }
        if !isStarted { state.withLock { $0.isRunning = false } }
        return isStarted
    }

    /// Returns when nobody is looked after any more.
    func stop() {
        state.withLock { $0.isStopped = true }
        state.broadcast()
        state.wait { $0.isRunning ? nil : () }
    }
}
