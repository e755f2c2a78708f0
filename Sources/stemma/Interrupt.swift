import Dispatch
import Foundation

/// Ctrl-C in verbs that need no winding up: whatever they do, the store is sound after every step.
enum Interrupt {
    /// Runs `body`. A signal to end takes the progress line away, says what became of the work, and ends the process with
    /// exit code 130.
    static func endsTheProcess<Result>(in body: () async throws -> Result) async rethrows -> Result {
        let signals = [SIGINT, SIGTERM, SIGHUP]
        let previous = signals.map { signal($0, SIG_IGN) }
        let sources = signals.map { DispatchSource.makeSignalSource(signal: $0, queue: .global()) }
        for source in sources {
            source.setEventHandler {
                Terminal.error("Interrupted; nothing that was stored is lost.")
                _exit(130)
            }
            source.resume()
        }
        defer {
            for source in sources { source.cancel() }
            for (number, handler) in zip(signals, previous) { signal(number, handler) }
        }
        return try await body()
    }
}
