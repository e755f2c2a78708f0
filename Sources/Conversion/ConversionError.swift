import VMState

/// Why a snapshot was not converted, or a policy not read.
package struct ConversionError: Error, Sendable, CustomStringConvertible {
    /// The kinds of failure.
    package enum Code: String, Sendable, Codable {
        /// The policy file is wrong.
        case policy
        /// The snapshot has findings that are fatal under the policy; they are in `findings`.
        case refused
        /// Something is left to fix after all fixes: a defect of the product.
        case incomplete
        /// The stream could not be read or edited.
        case stream
    }

    /// The kind of failure.
    package var code: Code
    /// What happened and what to do.
    package var message: String
    /// Name of the policy file, with line and column.
    package var place: String?
    /// The findings that were in the way.
    package var findings: [Finding]
    /// Text of a lower-level error.
    package var cause: String?

    init(_ code: Code, _ message: String, place: String? = nil, findings: [Finding] = [], cause: String? = nil) {
        self.code = code
        self.message = message
        self.place = place
        self.findings = findings
        self.cause = cause
    }

    package var description: String {
        var text = place.map { "\($0): \(message)" } ?? message
        for finding in findings { text += "\n  \(finding.check) \(finding.title). \(finding.remedy)" }
        if let cause { text += " (\(cause))" }
        return text
    }
}
