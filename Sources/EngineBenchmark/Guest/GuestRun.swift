/// A command that ran in the guest.
package struct GuestRun: Sendable, Codable {
    /// On the host's clock, from the first key to the end mark.
    package var seconds: Double
    /// Instructions that retired meanwhile; nil where they are not counted.
    package var instructions: UInt64?
    /// The exit status, in digits.
    package var status: String
    /// What it printed.
    package var output: String
    /// What the check afterwards printed; nil without one.
    package var checked: String?

    package init(seconds: Double, instructions: UInt64? = nil, status: String, output: String, checked: String? = nil) {
        self.seconds = seconds
        self.instructions = instructions
        self.status = status
        self.output = output
        self.checked = checked
    }

    /// Whether the right thing came out.
    package func isRight(for workload: Workload) -> Bool {
        // sha256sum prints the name of its file behind the digest.
        let words = (checked ?? output).split(whereSeparator: \.isWhitespace)
        return status == "0" && words.first.map(String.init) == workload.expected
    }
}
