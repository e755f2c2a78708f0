/// Threads that run what may block, in the order of its arrival.
///
/// Threads begin when there is work for them and end when there was none for a while.
final class WorkerPool: Sendable {
    typealias Job = @Sendable () -> Void

    private struct State {
        var jobs = Queue<Job>()
        var threads = 0
        /// Threads that sleep until there is a job.
        var sleeping = 0
        var isStopped = false
    }

    private let limit: Int
    private let startThread: @Sendable (@escaping Job) -> Bool
    private let state = Monitor(State())
    /// Seconds after which a thread without work ends.
    private static let patience = 5

    /// - Parameters:
    ///   - threads: The most that run at a time.
    ///   - startThread: As ``SystemThread/start(_:)``.
    init(threads: Int, startThread: @escaping @Sendable (@escaping Job) -> Bool = { SystemThread.start($0) }) {
        limit = max(1, threads)
        self.startThread = startThread
    }

    /// Runs a job soon.
    ///
    /// - Returns: false when the pool has stopped, or has no thread at all; the job will not be run.
    @discardableResult
    func submit(_ job: @escaping Job) -> Bool {
        let step = state.withLock { state -> (isTaken: Bool, wakes: Bool) in
            if state.isStopped { return (false, false) }
            // Under the lock, so that nobody relies on a thread that may not start.
            if state.jobs.count >= state.sleeping, state.threads < limit, startThread({ self.work() }) {
                state.threads += 1
            }
            if state.threads == 0 { return (false, false) }
            state.jobs.append(job)
            return (true, state.sleeping > 0)
        }
        if step.wakes { state.signal() }
        return step.isTaken
    }

    /// Takes no more jobs, runs those that wait, and returns when all threads have ended.
    func stop() {
        stopSoon()
        state.wait { $0.threads == 0 ? () : nil }
    }

    /// Takes no more jobs; those that wait are still run.
    func stopSoon() {
        state.withLock { $0.isStopped = true }
        state.broadcast()
    }

    private func work() {
        while let job = next() { job() }
        state.broadcast()
    }

    /// The next job; nil when the thread is to end, which is then no longer counted.
    private func next() -> Job? {
        enum Found {
            case job(Job)
            case end
        }
        let found =
            state.withLock { state -> Found? in
                if let job = state.jobs.popFirst() { return .job(job) }
                if state.isStopped {
                    state.threads -= 1
                    return .end
                }
                state.sleeping += 1
                return nil
            }
            ?? state.wait(seconds: Self.patience) { state, isLate -> Found? in
                if let job = state.jobs.popFirst() {
                    state.sleeping -= 1
                    return .job(job)
                }
                guard state.isStopped || isLate else { return nil }
                state.sleeping -= 1
                state.threads -= 1
                return .end
            }
        if case .job(let job) = found { return job }
        return nil
    }
}
