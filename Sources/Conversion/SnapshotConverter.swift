import GuestInspection
import VMState

/// Runs the checks, and applies the fixes that the policy allows.
package struct SnapshotConverter: Sendable {
    /// What a conversion gives.
    package struct Result: Sendable {
        /// The snapshot without RAM; its RAM is that of the original with `changedPages`.
        package var stream: MigrationStream
        /// The pages of RAM that fixes changed, with their new 4096 bytes, by guest-physical page number.
        package var changedPages: [UInt64: [UInt8]]
        /// The command line that resumes it, if that of the original was known.
        package var launch: LaunchRecord?
        /// What was done, in order.
        package var fixes: [AppliedFix]
        /// The findings before.
        package var before: CheckReport
        /// The findings after; nothing fixable or fatal is among them.
        package var after: CheckReport
    }

    private let checks: [any SnapshotCheck]
    private let streamFixes: [String: any StreamFix]
    private let snapshotFixes: [String: any SnapshotFix]
    private let launchFixes: [String: any LaunchFix]

    /// Ids of all fixes of the product.
    package static let fixes: Set<String> = Set(StreamFixes.all.keys).union(SnapshotFixes.all.keys)
        .union(LaunchFixes.all.keys)

    /// Makes a converter with all checks and fixes of the product.
    package init() {
        checks = SnapshotChecks.all
        streamFixes = StreamFixes.all
        snapshotFixes = SnapshotFixes.all
        launchFixes = LaunchFixes.all
    }

    /// Makes a converter with checks and fixes of one's own, for tests.
    package init(
        checks: [any SnapshotCheck], streamFixes: [String: any StreamFix], snapshotFixes: [String: any SnapshotFix]
    ) {
        self.checks = checks
        self.streamFixes = streamFixes
        self.snapshotFixes = snapshotFixes
        launchFixes = [:]
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
                findings += found.map { finding in
                    let judged = repairable(policy.judge(finding), by: check, rule, context, policy)
                    return finding.severity == .fatal && judged.severity == .fatal ? policy.settle(judged) : judged
                }
            }
        }
        return CheckReport(context: context, findings: findings)
    }

    /// A fatal finding, or a lesser one that names a repair, becomes fixable where the policy allows a repair that fits the guest;
    /// otherwise its remedy says why not.
    private func repairable(
        _ finding: Finding, by check: any SnapshotCheck, _ rule: ConversionPolicy.Rule, _ context: CheckContext,
        _ policy: ConversionPolicy
    ) -> Finding {
        let named = finding.severity == .fatal ? check.repair : finding.fix
        guard finding.severity != .fixable, let repair = named, LinuxRepairs.all[repair] != nil,
            policy.repairs == .linux, rule.allowsFix, !rule.isWaived, !policy.forbiddenFixes.contains(repair)
        else {
            return finding
        }
        var finding = finding
        if let obstacle = LinuxRepairs.obstacle(repair, context) {
            finding.remedy += " The repair \(repair) does not fit this guest: \(obstacle)."
        } else {
            finding.severity = .fixable
            finding.fix = repair
            finding.remedy = "The repair \(repair) changes the guest's kernel in memory so that it can go on."
        }
        return finding
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
        var snapshot = EditableSnapshot(stream: context.stream, memory: context.memory ?? NoMemory())
        snapshot.stream.discardRecordLog()
        var launch = context.launch
        var applied: [AppliedFix] = []
        for finding in before.findings(.fixable) {
            guard let id = finding.fix, !applied.contains(where: { $0.fix == id }) else { continue }
            let known = snapshot.memory.changes.count
            do {
                guard let changes = try apply(id, to: &snapshot, &launch, context: context) else { continue }
                applied.append(
                    AppliedFix(
                        fix: id, check: finding.check, changes: changes,
                        memory: Array(snapshot.memory.changes[known...])))
            } catch let refusal as FixRefusal {
                throw ConversionError(
                    .refused, "the fix \(id) does not fit this guest: \(refusal.reason)", findings: [finding])
            } catch {
                throw ConversionError(.stream, "the fix \(id) failed", findings: [finding], cause: "\(error)")
            }
        }
        var fixed = context
        do throws(VMStateError) {
            fixed.stream = snapshot.stream
            fixed.cpus = try snapshot.stream.cpus()
        } catch {
            throw ConversionError(.stream, "the converted snapshot cannot be read", cause: "\(error)")
        }
        if context.memory != nil {
            fixed.memory = snapshot.memory
            fixed.kernel = context.kernel?.reading(snapshot.memory)
        }
        fixed.launch = launch
        let after = try check(fixed, policy: policy)
        guard after.verdict == .ok else {
            throw ConversionError(
                .incomplete, "the converted snapshot still has findings; please report this",
                findings: after.findings.filter { $0.severity >= .fixable })
        }
        return Result(
            stream: snapshot.stream, changedPages: snapshot.memory.changedPages, launch: launch, fixes: applied,
            before: before, after: after)
    }

    /// Applies a fix; nil if there is none of that id.
    private func apply(
        _ id: String, to snapshot: inout EditableSnapshot, _ launch: inout LaunchRecord?, context: CheckContext
    ) throws -> [StreamChange]? {
        if let fix = streamFixes[id] { return try fix.apply(to: &snapshot.stream) }
        if let fix = launchFixes[id], var record = launch {
            let changes = try fix.apply(to: &record, context: context)
            launch = record
            return changes
        }
        guard let fix = snapshotFixes[id] else { return nil }
        guard context.memory != nil || !type(of: fix).needsMemory else {
            throw FixRefusal("the guest's memory cannot be read here")
        }
        return try fix.apply(to: &snapshot, context: context)
    }
}

/// In the place of RAM that cannot be read.
private struct NoMemory: GuestMemory {
    var pages: [Range<UInt64>] { [] }
    func read(page: UInt64, into buffer: UnsafeMutableRawBufferPointer) -> Bool { false }
}
