import Foundation
import Synchronization
import Workflow

/// Standard error with at most one line that is redrawn, always the last one.
final class ProgressLine: Sendable {
    private struct State {
        var meter = ProgressMeter()
        var isDrawn = false
        var lastDrawing: ContinuousClock.Instant?
    }

    private let state = Mutex(State())
    private let isTerminal: Bool
    private let start = ContinuousClock.now

    init() {
        // A terminal that cannot move its cursor gets plain lines.
        isTerminal = isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
    }

    /// Writes whole lines above the one that is redrawn.
    func tell(_ text: String) {
        state.withLock { state in
            Self.write((state.isDrawn ? Self.erase : "") + text)
            state.isDrawn = false
        }
    }

    /// Takes the line away.
    func clear() {
        state.withLock { state in
            if state.isDrawn { Self.write(Self.erase) }
            state.isDrawn = false
        }
    }

    /// Shows how far a step is; at most ten times a second.
    func update(_ step: String, _ amount: ProgressAmount) {
        let now = ContinuousClock.now
        state.withLock { state in
            state.meter.update(step, amount, at: now - start)
            if !isTerminal {
                if let line = state.meter.occasionalLine() { Self.write("· \(line)\n") }
                return
            }
            if let last = state.lastDrawing, now - last < .milliseconds(100) { return }
            state.lastDrawing = now
            state.isDrawn = true
            Self.write(Self.erase + state.meter.line(width: Self.width))
        }
    }

    /// To the beginning of the line, and nothing right of it (ECMA-48 CR and EL).
    private static let erase = "\r\u{1B}[K"

    private static var width: Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 20 else { return 79 }
        return Int(size.ws_col) - 1
    }

    private static func write(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
    }
}
