/// A resumed guest did not live.
package struct GuestFailure: Error, Sendable, CustomStringConvertible {
    /// VM:SNAPSHOT.
    package let snapshot: String
    package let diagnosis: ResumeDiagnosis
    /// The last lines of its console.
    package let console: String

    package var description: String {
        var text = "\(snapshot) was resumed, but \(diagnosis.text)"
        if !console.isEmpty { text += "\nThe console's last lines:\n\(console)" }
        return text
    }
}
