import VMState

extension SnapshotConverter {
    /// Applies every fix that belongs to a fixable finding, whatever else was found: for a trial that shows what remains.
    ///
    /// - Returns: the checks whose fixes were applied, in order.
    package func applyAllFixes(
        to stream: inout MigrationStream, for report: CheckReport
    ) throws(ConversionError) -> [String] {
        var applied: [String] = []
        var checks: [String] = []
        stream.discardRecordLog()
        for finding in report.findings(.fixable) {
            guard let id = finding.fix, !applied.contains(id), let fix = StreamFixes.all[id] else { continue }
            do throws(VMStateError) {
                _ = try fix.apply(to: &stream)
            } catch {
                throw ConversionError(.stream, "the fix \(id) failed", findings: [finding], cause: "\(error)")
            }
            applied.append(id)
            checks.append(finding.check)
        }
        return checks
    }
}
