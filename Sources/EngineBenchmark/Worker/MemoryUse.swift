import Foundation
import Machine
import Workflow

/// What a process that runs a guest has in memory, and how much of it the guest's pages are.
package struct MemoryUse: Sendable, Codable {
    /// The largest resident set that the process has had (`VmHWM`, proc(5)); mapped files included.
    package var peakBytes: UInt64
    /// Pages of RAM that the guest read or wrote, each once. Pages of zeros that it only read are left out: they take no room.
    package var touchedBytes: UInt64
    /// Those that it wrote.
    package var writtenBytes: UInt64

    package init(of machine: Machine) throws {
        var written = 0
        try machine.forEachWrittenPage { _, _ in written += 1 }
        touchedBytes = UInt64(machine.touchedPageCount) * 4096
        writtenBytes = UInt64(written) * 4096
        peakBytes = try Self.peakBytes()
    }

    /// The largest resident set of this process so far.
    package static func peakBytes() throws -> UInt64 {
        let text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: "/proc/self/status")), as: UTF8.self)
        guard let peak = peakBytes(status: text) else {
            throw WorkflowError(.io, "The size of this process cannot be found out from /proc/self/status.")
        }
        return peak
    }

    /// `VmHWM` out of the text of a `/proc/PID/status`.
    package static func peakBytes(status: String) -> UInt64? {
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        let words = line?.split(whereSeparator: \.isWhitespace) ?? []
        guard words.count == 3, words[2] == "kB", let kibibytes = UInt64(words[1]) else { return nil }
        return kibibytes << 10
    }
}
