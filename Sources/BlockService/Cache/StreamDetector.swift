/// Finds readers that go forward through a disk, several at a time, and says what they will want next.
struct StreamDetector {
    private struct Stream {
        /// Where the next read is expected.
        var next: UInt64
        /// Up to where it was already said.
        var announced: UInt64
        /// How far to look ahead; 0 until a second read follows the first.
        var window: UInt64 = 0
        var lastUse: UInt64 = 0
    }

    static let streamCount = 16
    static let smallestWindow: UInt64 = 128 << 10
    static let largestWindow: UInt64 = 2 << 20
    /// How far a read may be from the place where it is expected: guests send their requests a little out of order.
    private static let tolerance: UInt64 = 128 << 10

    private var streams: [Stream] = []
    private var clock: UInt64 = 0

    /// Who asks for more than this at a time looks ahead himself.
    private static let largestRead: UInt64 = 128 << 10

    /// Notes a read.
    ///
    /// - Returns: Whether it goes on where another one ended, and what to read ahead now; that is empty most of the time.
    mutating func note(offset: UInt64, length: UInt64, diskSize: UInt64) -> (isStream: Bool, ahead: Range<UInt64>) {
        guard length <= Self.largestRead else { return (false, 0..<0) }
        clock += 1
        let end = offset + length
        guard
            let index = streams.firstIndex(where: {
                offset + Self.tolerance >= $0.next && offset <= $0.next + Self.tolerance
            })
        else {
            begin(Stream(next: end, announced: end, lastUse: clock))
            return (false, 0..<0)
        }
        var stream = streams[index]
        defer { streams[index] = stream }
        stream.lastUse = clock
        guard end > stream.next else { return (true, 0..<0) }
        stream.next = end
        stream.announced = max(stream.announced, end)
        if stream.window == 0 { stream.window = max(Self.smallestWindow, min(2 * length, Self.largestWindow)) }
        // In halves of the window, so that there is not a bit to be done for each read.
        guard stream.announced - end <= stream.window / 2 else { return (true, 0..<0) }
        let target = min(diskSize, end + stream.window)
        guard target > stream.announced else { return (true, 0..<0) }
        defer {
            stream.announced = target
            stream.window = min(2 * stream.window, Self.largestWindow)
        }
        return (true, stream.announced..<target)
    }

    /// Whether a stream has just read beyond this place: what lies before it comes too late.
    func hasPassed(_ offset: UInt64) -> Bool {
        streams.contains { $0.window > 0 && offset <= $0.next && $0.next - offset < Self.largestWindow }
    }

    private mutating func begin(_ stream: Stream) {
        if streams.count < Self.streamCount {
            streams.append(stream)
        } else if let oldest = streams.indices.min(by: { streams[$0].lastUse < streams[$1].lastUse }) {
            streams[oldest] = stream
        }
    }
}
