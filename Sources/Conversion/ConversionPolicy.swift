/// How severe findings are, and which fixes may be applied (see the module's documentation).
package struct ConversionPolicy: Sendable, Hashable {
    /// What a policy says about a check.
    package struct Rule: Sendable, Hashable {
        /// Severity for findings that are fatal or fixable by themselves.
        package enum Level: String, Sendable, Hashable, CaseIterable {
            case fatal, fixable, warning, note, off
        }

        /// For fatal and fixable findings; nil leaves them as they are.
        package var severity: Level?
        /// For findings that stay fatal when nothing can be done about them; nil leaves them so.
        package var fatal: Level?
        /// For warnings; nil leaves them as they are.
        package var warnings: Level?
        /// The check's fix may be applied.
        package var allowsFix = true
        /// Why the policy says so.
        package var reason: String?
        /// The check's findings are known and accepted: they are notes.
        package var isWaived = false

        /// Makes a rule.
        package init(
            severity: Level? = nil, fatal: Level? = nil, warnings: Level? = nil, allowsFix: Bool = true,
            reason: String? = nil,
            isWaived: Bool = false
        ) {
            self.severity = severity
            self.fatal = fatal
            self.warnings = warnings
            self.allowsFix = allowsFix
            self.reason = reason
            self.isWaived = isWaived
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
    /// For warnings of checks whose rule says nothing of them.
    package var warnings: Rule.Level?
    /// Fixes that must not be applied, by their ids.
    package var forbiddenFixes: Set<String>
    /// Which repairs may be applied.
    package var repairs: Repairs
    /// Name of the target, if the user names none.
    package var target: String?

    /// Makes a policy.
    package init(
        rules: [String: Rule], warnings: Rule.Level? = nil, forbiddenFixes: Set<String> = [],
        repairs: Repairs = .none, target: String? = nil
    ) {
        self.rules = rules
        self.warnings = warnings
        self.forbiddenFixes = forbiddenFixes
        self.repairs = repairs
        self.target = target
    }

    /// The rule of a check.
    package func rule(_ check: String) -> Rule { rules[check] ?? Rule() }

    /// A finding with the severity that it has under the policy.
    func judge(_ finding: Finding) -> Finding {
        let rule = rule(finding.check)
        var judged = finding
        let level: Rule.Level?
        switch finding.severity {
        case .fatal, .fixable: level = rule.severity
        case .warning: level = rule.warnings ?? warnings
        case .note, .ok: level = nil
        }
        if rule.isWaived, finding.severity >= .warning {
            judged.severity = .note
        } else {
            switch level {
            case .fatal?: judged.severity = .fatal
            case .warning?: judged.severity = .warning
            case .note?: judged.severity = .note
            case .fixable?, .off?, nil: break
            }
        }
        if judged.severity != finding.severity { judged.reason = rule.reason }
        if judged.severity == .fixable, !rule.allowsFix || forbiddenFixes.contains(finding.fix ?? "") {
            judged.severity = .fatal
            judged.reason = rule.reason
            judged.remedy += " The policy forbids the fix \(finding.fix ?? "of this check")."
        }
        return judged
    }

    /// A finding that is fatal by itself and has no repair, with the severity that the rule gives to such findings.
    func settle(_ finding: Finding) -> Finding {
        let rule = rule(finding.check)
        var settled = finding
        switch rule.fatal {
        case .warning?: settled.severity = .warning
        case .note?: settled.severity = .note
        case .fatal?, .fixable?, .off?, nil: return finding
        }
        settled.reason = rule.reason
        return settled
    }
}
