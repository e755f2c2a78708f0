import Expressions
import Foundation
import Synchronization
import Testing

@Suite("Watchdog")
struct WatchdogTests {
    /// Counts interrupts, and lets a thread wait for them.
    private final class Interrupts: Sendable {
        let count = Atomic(0)

        func add() { count.add(1, ordering: .sequentiallyConsistent) }

        /// Waits for so many; gives up after a minute.
        func wait(for number: Int) -> Bool {
            for _ in 0..<60_000 where count.load(ordering: .sequentiallyConsistent) < number {
                Thread.sleep(forTimeInterval: 0.001)
            }
            return count.load(ordering: .sequentiallyConsistent) >= number
        }
    }

    @Test("a solver that has not begun when it is interrupted is interrupted again")
    func repeats() {
        let interrupts = Interrupts()
        let watchdog = Watchdog { interrupts.add() }
        defer { watchdog.stop() }
        for _ in 0..<3 {
            let before = interrupts.count.load(ordering: .sequentiallyConsistent)
            watchdog.arm(timeout: .zero, cancellation: Cancellation())
            #expect(interrupts.wait(for: before + 5))
            #expect(watchdog.disarm())
        }
        // Nothing after it, and nothing before the next deadline.
        let last = interrupts.count.load(ordering: .sequentiallyConsistent)
        watchdog.arm(timeout: .seconds(600), cancellation: Cancellation())
        Thread.sleep(forTimeInterval: 0.02)
        #expect(!watchdog.disarm())
        #expect(interrupts.count.load(ordering: .sequentiallyConsistent) == last)
    }

    @Test("a cancelled run is interrupted again and again, too")
    func cancellation() {
        let interrupts = Interrupts()
        let watchdog = Watchdog { interrupts.add() }
        defer { watchdog.stop() }
        let cancellation = Cancellation()
        watchdog.arm(timeout: .seconds(600), cancellation: cancellation)
        cancellation.cancel()
        #expect(interrupts.wait(for: 5))
        #expect(watchdog.disarm())
    }
}
