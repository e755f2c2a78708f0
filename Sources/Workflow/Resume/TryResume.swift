import Conversion
import Foundation
import Hypervisor
import Lineage
import VMState

/// What happened when a snapshot was resumed on trial: as it is, and with the fixes that are known for it.
package struct TrialReport: Sendable, Codable {
    /// One resume.
    package struct Attempt: Sendable, Codable {
        /// `as saved`, or `with fixes`.
        package var state: String
        /// The checks whose fixes were applied.
        package var fixes: [String] = []
        /// What the target said when it did not load the snapshot.
        package var refusal: String?
        /// What became of the guest; nil when it was not loaded.
        package var diagnosis: ResumeDiagnosis?
        /// Explains a refusal.
        package var explanation: ResumeExplanation?
        /// The console's last line.
        package var lastLine = ""

        package var lives: Bool { diagnosis?.verdict.isHealthy ?? false }

        /// For people.
        package var text: String {
            var lines = ["\(state)\(fixes.isEmpty ? "" : " (\(fixes.joined(separator: ", ")))"):"]
            if let refusal { lines.append("  not loaded: \(refusal)") }
            let rest = [diagnosis?.text, explanation?.text].compactMap(\.self).joined(separator: "\n")
            lines += rest.split(separator: "\n").map { "  \($0)" }
            if !lastLine.isEmpty { lines.append("  last line of the console: \(lastLine)") }
            return lines.joined(separator: "\n")
        }
    }

    /// VM:SNAPSHOT.
    package var snapshot: String
    /// What the checks predicted: `ok`, `fixable` or `fatal`.
    package var predicted: Severity
    package var attempts: [Attempt] = []

    /// 0: it lives as it is. 1: with the fixes. 2: not even then.
    package var exitCode: Int32 {
        guard let last = attempts.last, last.lives else { return 2 }
        return attempts.count == 1 ? 0 : 1
    }

    /// Whether what happened is what was predicted.
    package var isAsPredicted: Bool {
        switch predicted {
        case .fatal: exitCode == 2
        case .fixable: exitCode == 1
        default: exitCode == 0
        }
    }

    /// For people.
    package var text: String {
        (attempts.map(\.text) + [
            "the checks predicted '\(predicted.rawValue)', which was \(isAsPredicted ? "right" : "wrong")"
        ])
        .joined(separator: "\n")
    }
}

extension Stemma {
    /// Resumes a snapshot under the translator for a bounded time, on overlays that are thrown away; when it does not live,
    /// resumes it again with every fix that the checks know, whatever the policy says of what remains. Nothing is stored.
    package func tryResume(
        _ reference: Reference, policy: PolicySource, watch: Duration = .seconds(10)
    ) async throws -> TrialReport {
        let snapshot = try catalogue.snapshot(reference)
        let target = try await translator(installation())
        let policy = try policy.load()
        let context = try await checkContext(snapshot, target: target, policy: policy)
        let report = try SnapshotConverter().check(context, policy: policy)
        var trial = TrialReport(snapshot: reference.description, predicted: report.verdict)
        let state = try machineState(of: snapshot)
        let converted = try SnapshotConverter().convertOnTrial(context, policy: policy, after: report)
        // It resumes with the CPU that a conversion gives it, because the one that it had may be KVM's alone.
        var configuration = try configuration(of: snapshot.commit, named: reference.description)
        if let launch = converted?.launch {
            configuration.adopt(launch)
        } else if configuration.cpu.hasPrefix("host") {
            configuration.cpu = "max"
        }
        let resume = TrialResume(
            stemma: self, snapshot: snapshot, reference: reference, configuration: configuration,
            installation: try installation(), watch: watch, clock: GuestWatch.Clock(context))

        progress.step("trying \(reference) as it was saved")
        let first = try await resume.attempt("as saved", state, findings: report.findings)
        trial.attempts.append(first)
        guard !first.lives, let result = converted else { return trial }
        let fixes = result.fixes.map(\.check)
        progress.step("trying \(reference) with the fixes of \(fixes.joined(separator: ", "))")
        // Pages that the fixes changed go into the store, but no name leads to them: the next collection frees them.
        let ingest = try store.beginIngest(label: "check --trial \(reference)")
        let ram = try MachineStateIngest(ingest: ingest).edit(state.ram, result)
        try ingest.finish()
        var second = try await resume.attempt(
            "with fixes", StoredMachineState(stream: result.stream, ram: ram, store: store),
            findings: result.after.findings)
        withExtendedLifetime(ingest) {}
        second.fixes = fixes
        trial.attempts.append(second)
        return trial
    }
}

/// Resumes states of one snapshot.
private struct TrialResume: Sendable {
    let stemma: Stemma
    let snapshot: NamedCommit
    let reference: Reference
    let configuration: MachineConfiguration
    let installation: QEMUInstallation
    let watch: Duration
    let clock: GuestWatch.Clock?

    /// - Parameter findings: what the checks find in this state: what a fix has repaired explains nothing.
    func attempt(
        _ name: String, _ state: StoredMachineState, findings: [Finding]
    ) async throws -> TrialReport.Attempt {
        var request = RunRequest(reference, mode: .prep)
        request.isHeadless = true
        request.isTrial = true
        let run = try RunDirectory.create(
            under: stemma.home.runs, name: "\(reference.vm)#trial", purpose: "trial", exclusive: false)
        let session = RunSession(
            stemma: stemma, request: request, origin: snapshot, configuration: configuration, run: run,
            installation: installation, memory: .anonymous(state), title: "\(reference)")
        let outcome = ResultBox<ResumeDiagnosis>()
        var attempt = TrialReport.Attempt(state: name)
        let (watch, clock) = (watch, clock)
        do {
            let result = try await Interruption.cancelling {
                try await session.execute { process, _ in
                    let watched = try await WatchedGuest.start(process, for: watch, clock: { clock }) { observation in
                        let explanation = observation.symptom?.explanation(findings: findings)
                        return ResumeDiagnosis(
                            verdict: observation.verdict, observation: observation, explanation: explanation)
                    }
                    outcome.set(try await watched.diagnosis)
                }
            }
            attempt.diagnosis = outcome.value
            attempt.lastLine = result.console.split(whereSeparator: \.isNewline).last.map(String.init) ?? ""
        } catch let error as HypervisorError {
            guard case .streamRefused(let words) = error.code else { throw error }
            try? run.remove()
            attempt.refusal = words.split(whereSeparator: \.isNewline).first.map(String.init) ?? error.message
            attempt.explanation = ResumeSymptom(.refused, words: words).explanation(findings: findings)
        }
        return attempt
    }
}
