/// How severe findings are, and which fixes may be applied (see the module's documentation).
package struct ConversionPolicy: Sendable, Hashable {
    /// What a policy says about a check.
    package struct Rule: Sendable, Hashable {
        /// Severity for findings that are fatal or fixable by themselves.
        package enum Level: String, Sendable, Hashable, CaseIterable {
            case fatal, fixable, warning, note, off
        }

        /// nil leaves findings as they are.
        package var severity: Level?
        /// The check's fix may be applied.
        package var allowsFix = true

        /// Makes a rule.
        package init(severity: Level? = nil, allowsFix: Bool = true) {
            self.severity = severity
            self.allowsFix = allowsFix
        }

        /// A finding with the severity that it has under the rule.
        func judge(_ finding: Finding) -> Finding {
            guard finding.severity >= .fixable else { return finding }
            var judged = finding
            switch severity {
            case .fatal?: judged.severity = .fatal
            case .warning?: judged.severity = .warning
            case .note?: judged.severity = .note
            case .fixable?, .off?, nil: break
            }
            if judged.severity == .fixable, !allowsFix {
                judged.severity = .fatal
                judged.remedy += " The policy forbids the fix \(finding.fix ?? "of this check")."
            }
            return judged
        }
    }

    /// Operating systems that repairs may change from within.
    package enum Repairs: String, Sendable, Hashable, CaseIterable {
        /// Only state outside of the guest's software is changed.
        case none
        /// The kernel of a Linux guest may be changed in RAM.
        case linux
    }

    /// Rules by the ids of checks.
    package var rules: [String: Rule]
    /// Which repairs may be applied to findings that are fatal without them.
    package var repairs: Repairs

    /// Makes a policy.
    package init(rules: [String: Rule], repairs: Repairs = .none) {
        self.rules = rules
        self.repairs = repairs
    }

    /// The rule of a check.
    package func rule(_ check: String) -> Rule { rules[check] ?? Rule() }

    /// The usual policy; `policies/default.yaml` says the same.
    package static let standard = ConversionPolicy(rules: [
        "C01": Rule(severity: .fatal), "C02": Rule(severity: .fixable), "C05": Rule(severity: .fixable),
        "C06": Rule(severity: .fixable), "C09": Rule(severity: .fatal), "C10": Rule(severity: .fatal),
        "C21": Rule(severity: .fatal),
    ])
}
