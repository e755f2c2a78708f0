import Synchronization

/// Things that are dear to make, lent to one thread at a time.
final class Pool<Item: AnyObject & Sendable>: Sendable {
    private let idle = Mutex<[Item]>([])
    private let limit: Int
    private let make: @Sendable () -> Item

    /// - Parameter limit: how many are kept while nobody uses them.
    init(limit: Int, make: @escaping @Sendable () -> Item) {
        self.limit = limit
        self.make = make
    }

    /// Lends an item to `body`.
    func with<Result, Failure: Error>(_ body: (Item) throws(Failure) -> Result) throws(Failure) -> Result {
        let item = idle.withLock { $0.popLast() } ?? make()
        defer {
            idle.withLock { idle in
                if idle.count < limit { idle.append(item) }
            }
        }
        return try body(item)
    }
}
