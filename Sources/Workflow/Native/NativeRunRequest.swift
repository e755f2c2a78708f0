import Lineage

/// What a user asks of `stemma run VM:SNAP native`.
package struct NativeRunRequest: Sendable {
    package var snapshot: Reference
    /// Without a terminal: the serial console is collected, and time passes as fast as the engine can.
    package var isHeadless = false
    /// Headless: wait for this text on the serial console, then save (if asked) and end.
    package var until: String?
    /// How long to wait for `until`.
    package var timeout: Duration = .seconds(600)
    /// The name of the snapshot to save when `until` appeared, or when the time is over.
    package var save: Name?
    package var remarks = Remarks()
    /// End after so much virtual time.
    package var virtualSeconds: Double?
    /// Virtual nanoseconds that a CPU runs before the next one does.
    package var quantum: UInt64?
    /// Start of the random numbers that the guest draws (RDRAND, virtio-rng).
    package var seed: UInt64?
    /// What is typed into the serial console at the beginning, as a user would.
    package var input: [UInt8] = []
    /// Every instruction by the interpreter.
    package var usesInterpreter = false

    package init(_ snapshot: Reference) { self.snapshot = snapshot }

    func validate() throws {
        func refuse(_ text: String) -> WorkflowError { WorkflowError(.usage, text) }
        guard snapshot.snapshot != nil else {
            throw refuse(
                "The engine resumes snapshots: name one as \(snapshot.vm):SNAPSHOT (see 'stemma snapshot list "
                    + "\(snapshot.vm)'). To boot the VM, use 'prep'.")
        }
        if until != nil || virtualSeconds != nil || !input.isEmpty, !isHeadless {
            throw refuse("--until, --for and --input are for headless runs: add --headless.")
        }
        if save != nil, until == nil, virtualSeconds == nil {
            throw refuse("--save needs --until TEXT or --for SECONDS, which say when to save.")
        }
        if until?.isEmpty == true { throw refuse("--until needs a text.") }
        if let virtualSeconds, !(virtualSeconds > 0 && virtualSeconds < 1e9) {
            throw refuse("--for takes seconds of the guest's time, more than 0.")
        }
        if quantum == 0 { throw refuse("--quantum takes nanoseconds, at least 1.") }
    }
}

/// What a run in Stemma's engine left behind.
package struct NativeRunReport: Sendable, Codable {
    /// Why it ended.
    package enum End: String, Sendable, Codable {
        /// The guest switched itself off.
        case powerOff
        /// The guest reset itself, which the engine does not follow.
        case reset
        /// The text of `--until` appeared.
        case text
        /// The virtual time of `--for` is over.
        case time
        /// The user ended it.
        case user
        /// Every CPU sleeps, and nothing will ever wake one.
        case halted
        /// The engine cannot go on.
        case unsupported
    }

    package var snapshot: String
    package var end: End
    /// More about the end.
    package var detail = ""
    /// Guest instructions of all CPUs.
    package var instructions: UInt64 = 0
    /// Seconds that passed for the guest.
    package var virtualSeconds = 0.0
    /// Seconds that passed here.
    package var seconds = 0.0
    /// SHA-256 over the final state: CPUs, devices, memory and disks. Equal runs have equal digests.
    package var digest = ""
    /// The last part of the serial console.
    package var console = ""
    /// Snapshots that are in the store now.
    package var snapshots: [String] = []
    /// What the guest touched that the engine lacks.
    package var notes: [String] = []

    /// For people.
    package var text: String {
        var lines = [
            "\(snapshot) ended: \(end.rawValue)\(detail.isEmpty ? "" : " (\(detail))")",
            "instructions  \(instructions)",
            "guest's time  \(Text.fixed(virtualSeconds, 3)) s in \(Text.fixed(seconds, 3)) s",
            "state         \(digest)",
        ]
        for snapshot in snapshots { lines.append("saved         \(snapshot)") }
        for note in notes { lines.append("note          \(note)") }
        return lines.joined(separator: "\n")
    }
}
