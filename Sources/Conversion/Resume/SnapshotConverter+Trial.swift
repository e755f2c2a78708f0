extension SnapshotConverter {
    /// Converts whatever can be converted, for a trial that shows what remains: fatal findings count as warnings, and fixes are
    /// those that the policy allows.
    ///
    /// - Parameter report: the check of the same snapshot under the same policy.
    /// - Returns: nil when nothing can be fixed.
    package func convertOnTrial(
        _ context: CheckContext, policy: ConversionPolicy, after report: CheckReport
    ) throws(ConversionError) -> Result? {
        guard !report.findings(.fixable).isEmpty else { return nil }
        var lenient = policy
        for finding in report.findings(.fatal) { lenient.rules[finding.check, default: .init()].severity = .warning }
        return try convert(context, policy: lenient)
    }
}
