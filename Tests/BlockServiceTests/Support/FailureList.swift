import BlockService
import Synchronization

/// Collects what a server reports.
final class FailureList: Sendable {
    private let failures = Mutex<[NBDFailure]>([])

    func add(_ failure: NBDFailure) { failures.withLock { $0.append(failure) } }

    var all: [NBDFailure] { failures.withLock { $0 } }
}
