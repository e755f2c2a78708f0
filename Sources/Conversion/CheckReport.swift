import Foundation

/// All findings about a snapshot; its JSON form is described in the module's documentation.
package struct CheckReport: Sendable, Hashable, Codable {
    /// Name and version of the JSON form.
    package static let schema = "stemma.check/1"

    package var schema = CheckReport.schema
    /// Machine type of the snapshot.
    package var machine: String?
    /// Number of virtual CPUs.
    package var cpus: Int
    /// Who ran the guest.
    package var origin: SnapshotOrigin
    /// Name of the target.
    package var target: String
    /// `ok`, `fixable` or `fatal`.
    package var verdict: Severity
    /// 0, 1 or 2.
    package var exitCode: Int32
    /// In order of the checks.
    package var findings: [Finding]

    init(context: CheckContext, findings: [Finding]) {
        machine = context.stream.machineName
        cpus = context.cpus.count
        origin = context.origin
        target = context.target.name
        self.findings = findings
        let worst = findings.map(\.severity).max() ?? .ok
        verdict = worst >= .fixable ? worst : .ok
        exitCode = verdict == .fatal ? 2 : verdict == .fixable ? 1 : 0
    }

    /// Findings of a severity.
    package func findings(_ severity: Severity) -> [Finding] { findings.filter { $0.severity == severity } }

    /// The JSON text, keys sorted.
    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}
