import Foundation
import Synchronization
import Testing

@testable import BlockService

@Suite struct WorkerPoolTests {
    /// A system without threads: each job is either refused, or run later.
    @Test func aJobThatIsTakenIsRun() {
        let hasThreads = Atomic(false)
        let pool = WorkerPool(threads: 4) { body in
            hasThreads.load(ordering: .relaxed) && SystemThread.start(body)
        }
        let taken = Mutex<Set<Int>>([])
        let done = Mutex<Set<Int>>([])
        @Sendable func submit(_ number: Int) {
            let isTaken = pool.submit { done.withLock { _ = $0.insert(number) } }
            if isTaken { taken.withLock { _ = $0.insert(number) } }
        }
        DispatchQueue.concurrentPerform(iterations: 8) { thread in
            for number in 0..<2000 { submit(thread * 2000 + number) }
        }
        hasThreads.store(true, ordering: .relaxed)
        submit(-1)
        pool.stop()
        #expect(taken.withLock { $0 } == [-1])
        #expect(done.withLock { $0 } == [-1])
    }
}
