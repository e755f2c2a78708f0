import Synchronization

/// What one thread needs to read and decode a frame.
///
/// `@unchecked Sendable`: it is used by one thread at a time, the one that took it from a ``Pool``.
final class ReadScratch: @unchecked Sendable {
    /// Bytes of a pack.
    let stored = GrowingBuffer(count: 128 << 10)
    /// A decoded frame.
    let plain = GrowingBuffer(count: FrameHeader.usualPlainLength)
    let codec = CodecContext()
}

/// Lets one thread decode a frame for the cache while others that want it wait for it.
final class FrameFlights: Sendable {
    private final class Lane: Sendable {
        let lock = Mutex<Void>(())
    }

    /// Frames share lanes: few enough to be cheap, many enough that threads rarely wait for another frame.
    private let lanes = (0..<64).map { _ in Lane() }

    func alone<Result>(
        _ key: ContentStore.FrameKey, _ body: () throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        let lane = lanes[Int(key.mark >> 58)]
        return try lane.lock.withLock { _ throws(StoreError) in try body() }
    }
}
