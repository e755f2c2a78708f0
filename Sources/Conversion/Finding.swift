/// What a check says about a snapshot.
package struct Finding: Sendable, Hashable, Codable {
    /// A value in the snapshot on which a finding rests.
    package struct Evidence: Sendable, Hashable, Codable {
        /// Name of the section with its instance (`cpu#0`), or another place.
        package var section: String?
        /// Path of the field.
        package var field: String?
        /// Its value, as text.
        package var value: String

        /// Makes a piece of evidence.
        package init(section: String? = nil, field: String? = nil, value: String) {
            self.section = section
            self.field = field
            self.value = value
        }
    }

    /// Id of the check, for example `C05`.
    package var check: String
    /// What was found, in a line.
    package var title: String
    /// How bad it is under the policy.
    package var severity: Severity
    /// What it rests on.
    package var evidence: [Evidence]
    /// What would happen to the guest.
    package var effect: String
    /// What to do.
    package var remedy: String
    /// Id of the fix, if there is one.
    package var fix: String?
    /// Why the policy gave it another severity, in the policy's words.
    package var reason: String?

    /// Makes a finding.
    package init(
        check: String, title: String, severity: Severity, evidence: [Evidence] = [], effect: String = "",
        remedy: String = "", fix: String? = nil
    ) {
        self.check = check
        self.title = title
        self.severity = severity
        self.evidence = evidence
        self.effect = effect
        self.remedy = remedy
        self.fix = fix
    }
}
