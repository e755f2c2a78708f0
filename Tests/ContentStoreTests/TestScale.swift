import Glibc

/// How much of the long tests is run: `STEMMA_TEST_SCALE=full` (what `Tests/durability` sets) for all, else a part that fits into
/// continuous integration.
enum TestScale {
    static let isFull = getenv("STEMMA_TEST_SCALE").map { String(cString: $0) } == "full"

    /// One of two numbers.
    static func choose<Value>(_ bounded: Value, full: Value) -> Value { isFull ? full : bounded }
}
