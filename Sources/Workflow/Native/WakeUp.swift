import Glibc

/// A pipe that wakes a thread which waits in `poll`.
final class WakeUp: Sendable {
    private let ends: (read: Int32, write: Int32)

    init() throws {
        var pair: (Int32, Int32) = (-1, -1)
        let made = withUnsafeMutableBytes(of: &pair) {
            pipe2($0.assumingMemoryBound(to: Int32.self).baseAddress, O_CLOEXEC | O_NONBLOCK)
        }
        guard made == 0 else {
            throw WorkflowError(.io, "A pipe could not be made: \(String(cString: strerror(errno))).")
        }
        ends = (pair.0, pair.1)
    }

    deinit {
        close(ends.read)
        close(ends.write)
    }

    /// Ends the present wait of the thread, or its next one.
    func signal() {
        var byte: UInt8 = 0
        // A full pipe wakes as well.
        _ = write(ends.write, &byte, 1)
    }

    /// Waits until a signal, input on another descriptor (-1 for none), or the time is over. True for input.
    func wait(input: Int32, _ duration: Duration) -> Bool {
        let milliseconds = Int32(clamping: Int64((duration.seconds * 1000).rounded(.up)))
        var polled = [
            pollfd(fd: ends.read, events: Int16(POLLIN), revents: 0),
            pollfd(fd: input, events: Int16(POLLIN), revents: 0),
        ]
        guard poll(&polled, 2, max(milliseconds, 0)) > 0 else { return false }
        if polled[0].revents != 0 {
            var buffer = [UInt8](repeating: 0, count: 64)
            while read(ends.read, &buffer, buffer.count) > 0 {}
        }
        return polled[1].revents != 0
    }
}
