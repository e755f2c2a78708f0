import Foundation
import Synchronization

/// Interrupts a solver at its deadline or when the run is cancelled, again and again until it has stopped.
///
/// Once is not enough: Z3 loses an interrupt that comes before its check has begun, or early in it, and then works on without end. The
/// thread that checks may have been held up for longer than the query had.
///
/// One thread for each solver. It looks at the deadline every 2 ms while a query runs and sleeps on a condition after a
/// quarter of a second without one, so a query costs two short locks as a rule.
package final class Watchdog: Sendable {
    /// Deadline of the running query in nanoseconds of the continuous clock's epoch here; 0 when there is none.
    private let deadline = Atomic<UInt64>(0)
    /// The query under way, or the last one, was interrupted.
    private let hasFired = Atomic<Bool>(false)
    private let parked = Atomic<Bool>(false)
    private let stopped = Atomic<Bool>(false)
    private let current = Mutex<Cancellation?>(nil)
    private let wake = NSCondition()
    private let start = ContinuousClock.now
    private let interrupt: @Sendable () -> Void

    /// `interrupt` is called from the watchdog's thread, every 2 ms from the deadline to `disarm`.
    package init(interrupt: @escaping @Sendable () -> Void) {
        self.interrupt = interrupt
        let thread = Thread { [weak self] in
            // The strong reference lives for one round only, so that dropping the solver ends the thread.
            while let self, !self.stopped.load(ordering: .acquiring) { self.round() }
        }
        thread.name = "solver watchdog"
        thread.start()
    }

    /// No call of `interrupt` begins after this returns.
    package func stop() {
        current.withLock { _ in stopped.store(true, ordering: .releasing) }
        wake.lock()
        wake.signal()
        wake.unlock()
    }

    /// Begins to watch.
    package func arm(timeout: Duration, cancellation: Cancellation) {
        current.withLock { $0 = cancellation }
        hasFired.store(false, ordering: .sequentiallyConsistent)
        deadline.store(nanoseconds(.now + timeout), ordering: .sequentiallyConsistent)
        if parked.load(ordering: .sequentiallyConsistent) {
            wake.lock()
            wake.signal()
            wake.unlock()
        }
    }

    /// Ends watching: no call of `interrupt` is under way or begins after this returns, until the next `arm`.
    ///
    /// - Returns: whether the query was interrupted.
    package func disarm() -> Bool {
        current.withLock { _ in deadline.store(0, ordering: .sequentiallyConsistent) }
        return hasFired.load(ordering: .sequentiallyConsistent)
    }

    private func nanoseconds(_ instant: ContinuousClock.Instant) -> UInt64 {
        let parts = (instant - start).components
        let value = parts.seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if value.overflow || value.partialValue < 0 { return value.partialValue < 0 && !value.overflow ? 1 : .max }
        return UInt64(value.partialValue) &+ UInt64(max(0, parts.attoseconds) / 1_000_000_000) | 1
    }

    private func round() {
        var idle = 0
        while idle < 125 && !stopped.load(ordering: .acquiring) {
            Thread.sleep(forTimeInterval: 0.002)
            if deadline.load(ordering: .sequentiallyConsistent) == 0 {
                idle += 1
                continue
            }
            idle = 0
            // Under the lock, so that `disarm` and `stop` wait for an interrupt under way.
            current.withLock { cancellation in
                let limit = deadline.load(ordering: .sequentiallyConsistent)
                guard limit != 0, !stopped.load(ordering: .acquiring) else { return }
                if nanoseconds(.now) >= limit || cancellation?.isCancelled == true {
                    hasFired.store(true, ordering: .sequentiallyConsistent)
                    interrupt()
                }
            }
        }
        wake.lock()
        parked.store(true, ordering: .sequentiallyConsistent)
        if deadline.load(ordering: .sequentiallyConsistent) == 0 && !stopped.load(ordering: .acquiring) {
            // Bounded: the thread looks whether its owner is still there.
            _ = wake.wait(until: Date(timeIntervalSinceNow: 1))
        }
        parked.store(false, ordering: .sequentiallyConsistent)
        wake.unlock()
    }
}
