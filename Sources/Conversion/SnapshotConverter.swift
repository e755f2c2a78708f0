import VMState

/// Runs the checks, and applies the fixes that the policy allows.
package struct SnapshotConverter: Sendable {
    /// What a conversion gives.
    package struct Result: Sendable {
        /// The snapshot without RAM; its RAM is that of the original.
        package var stream: MigrationStream
        /// What was done, in order.
        package var fixes: [AppliedFix]
        /// The findings before.
        package var before: CheckReport
        /// The findings after; nothing fixable or fatal is among them.
        package var after: CheckReport
    }

    private let checks: [any SnapshotCheck]
    private let fixes: [String: any StreamFix]

    /// Makes a converter with all checks and fixes of the product.
    package init() {
        checks = SnapshotChecks.all
        fixes = StreamFixes.all
    }

    /// Runs all checks that the policy does not switch off.
    package func check(_ context: CheckContext, policy: ConversionPolicy) throws(ConversionError) -> CheckReport {
        var findings: [Finding] = []
        for check in checks {
            let rule = policy.rule(check.id)
            guard rule.severity != .off else { continue }
            let found: [Finding]
            do throws(VMStateError) {
                found = try check.run(context)
            } catch {
                throw ConversionError(
                    .stream, "the check \(check.id) (\(check.title)) could not read the snapshot", cause: "\(error)")
            }
            if found.isEmpty {
                findings.append(Finding(check: check.id, title: check.title, severity: .ok))
            } else {
                findings += found.map { rule.judge($0) }
            }
        }
        return CheckReport(context: context, findings: findings)
    }

    /// Makes a stream that the target can resume.
    ///
    /// - Throws: `refused` with all findings that are fatal; nothing was changed then.
    package func convert(_ context: CheckContext, policy: ConversionPolicy) throws(ConversionError) -> Result {
        let before = try check(context, policy: policy)
        let fatal = before.findings(.fatal)
        guard fatal.isEmpty else {
            throw ConversionError(
                .refused, "the snapshot cannot be converted for \(context.target.name)", findings: fatal)
        }
        var stream = context.stream
        stream.discardRecordLog()
        var applied: [AppliedFix] = []
        for finding in before.findings(.fixable) {
            guard let id = finding.fix, !applied.contains(where: { $0.fix == id }), let fix = fixes[id] else {
                continue
            }
            do throws(VMStateError) {
                applied.append(AppliedFix(fix: id, check: finding.check, changes: try fix.apply(to: &stream)))
            } catch {
                throw ConversionError(.stream, "the fix \(id) failed", findings: [finding], cause: "\(error)")
            }
        }
        var fixed = context
        do throws(VMStateError) {
            fixed.stream = stream
            fixed.cpus = try stream.cpus()
        } catch {
            throw ConversionError(.stream, "the converted snapshot cannot be read", cause: "\(error)")
        }
        let after = try check(fixed, policy: policy)
        guard after.verdict == .ok else {
            throw ConversionError(
                .incomplete, "the converted snapshot still has findings; please report this",
                findings: after.findings.filter { $0.severity >= .fixable })
        }
        return Result(stream: stream, fixes: applied, before: before, after: after)
    }
}
