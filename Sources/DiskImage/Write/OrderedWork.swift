import Dispatch
import Synchronization

/// Numbered tasks done by several threads, of which one part each is done in the order of the numbers.
///
/// The first error ends everything: no task is begun after it, and those that wait for their turn stop waiting.
final class OrderedWork: Sendable {
    private struct State {
        var claimed = 0
        var turn = 0
        var waiting: [Int: DispatchSemaphore] = [:]
        var failure: (any Error)?
    }

    /// Another task has failed; its error is the one that is reported.
    private struct Abandoned: Error {}

    private let count: Int
    private let state = Mutex(State())

    private init(count: Int) { self.count = count }

    /// Does tasks 0 to `count` - 1 on at most `threads` threads.
    ///
    /// - Parameter worker: Called once per thread; takes tasks with ``claim()`` until there are none.
    static func perform(
        _ count: Int, threads: Int, _ worker: @Sendable (OrderedWork) throws -> Void
    ) throws {
        let work = OrderedWork(count: count)
        @Sendable func run() {
            do { try worker(work) } catch { work.fail(error) }
        }
        let workers = min(count, max(1, threads))
        if workers <= 1 {
            run()
        } else {
            // A task is claimed only by a thread that runs, so the one whose turn it is always goes on, however few threads there are.
            withoutActuallyEscaping(run) { run in
                DispatchQueue.concurrentPerform(iterations: workers) { _ in run() }
            }
        }
        if let failure = work.state.withLock({ $0.failure }) { throw failure }
    }

    /// The number of the next task, or nil when there are none left.
    func claim() -> Int? {
        state.withLock { state in
            guard state.failure == nil, state.claimed < count else { return nil }
            defer { state.claimed += 1 }
            return state.claimed
        }
    }

    /// Does the part of task `index` that comes after that of `index - 1`; once for each task.
    func inOrder<Result>(_ index: Int, _ body: () throws -> Result) throws -> Result {
        let turn: DispatchSemaphore? = try state.withLock { state in
            if state.failure != nil { throw Abandoned() }
            if state.turn == index { return nil }
            let semaphore = DispatchSemaphore(value: 0)
            state.waiting[index] = semaphore
            return semaphore
        }
        if let turn {
            turn.wait()
            if state.withLock({ $0.failure != nil }) { throw Abandoned() }
        }
        let result = try body()
        state.withLock { state in
            state.turn = index + 1
            _ = state.waiting.removeValue(forKey: index + 1)?.signal()
        }
        return result
    }

    private func fail(_ error: any Error) {
        state.withLock { state in
            if state.failure == nil, !(error is Abandoned) { state.failure = error }
            for semaphore in state.waiting.values { semaphore.signal() }
            state.waiting = [:]
        }
    }
}
