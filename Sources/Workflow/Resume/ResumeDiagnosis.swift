import Conversion
import Hypervisor
import Lineage

/// What became of a resumed guest, and which check explains it.
package struct ResumeDiagnosis: Sendable, Hashable, Codable {
    package let verdict: GuestVerdict
    package let observation: GuestObservation
    /// Nil for a guest that lives, and for a failure that no check explains.
    package let explanation: ResumeExplanation?

    /// Whether the failure is sure enough to act on it: it was seen to happen, or a check found its cause. A guest that is
    /// merely silent may be one that waits for something.
    package var isSure: Bool {
        switch verdict {
        case .alive, .switchedOff: false
        case .reset, .stopped, .invalidOpcodes: true
        case .silent, .spinning, .clockStands: explanation != nil
        }
    }

    /// For people: a line about the guest, and lines about the check.
    package var text: String {
        guard !verdict.isHealthy else { return observation.text }
        guard let explanation else {
            return observation.text + "\nno check explains it"
                + (verdict == .silent ? "; a guest that waits for its disk or its network looks the same" : "")
        }
        return observation.text + "\n" + explanation.text
    }
}

extension ResumeExplanation {
    /// For people.
    package var text: String {
        let word =
            switch certainty {
            case .seen: "is the cause"
            case .found: "is most likely the cause"
            case .guessed: "may be the cause"
            }
        return "\(check) \(word): \(reason)" + (remedy.isEmpty ? "" : "\nremedy: \(remedy)")
    }
}

extension GuestObservation {
    /// The symptom for the checks; nil for a guest that lives.
    var symptom: ResumeSymptom? {
        let kind: ResumeSymptom.Kind
        switch verdict {
        case .alive, .switchedOff: return nil
        case .reset: kind = .reset
        case .stopped: kind = .stopped
        case .invalidOpcodes: kind = .invalidOpcodes
        case .silent: kind = .silent
        case .spinning: kind = .spinning
        case .clockStands: kind = .clockStands
        }
        var symptom = ResumeSymptom(kind, words: status)
        // What the kernel met matters most: it took the guest along.
        let opcodes = invalidOpcodes.filter { !$0.isIntended && !$0.bytes.isEmpty }
        if let opcode = opcodes.first(where: { !$0.isUser }) ?? opcodes.max(by: { $0.count < $1.count }) {
            symptom.instruction = opcode.bytes
            symptom.isUser = opcode.isUser
        }
        let halted = cpus.filter(\.registers.isHalted)
        symptom.waitsForDeadline = cpus.contains {
            $0.apic.map { $0.isEnabled && $0.timerMode == .deadline && !$0.timerIsMasked } ?? false
        }
        symptom.hasUntakenInterrupt = halted.contains { $0.registers.takesInterrupts && $0.hasUntakenInterrupt }
        symptom.hasUnfinishedInterrupt = halted.contains { $0.apic.map { !$0.inService.isEmpty } ?? false }
        return symptom
    }
}

extension GuestObservation.CPU {
    /// An interrupt is requested of whose class or above nothing is in service.
    fileprivate var hasUntakenInterrupt: Bool {
        guard let apic, apic.isEnabled, let requested = apic.requested.max() else { return false }
        return requested >> 4 > (apic.inService.max() ?? 0) >> 4
    }
}

extension Stemma {
    /// Explains what was seen of a guest by the findings about the snapshot that it was resumed from, and about the one
    /// that this was converted from: a conversion under a lenient policy hides what it let pass.
    func diagnosis(_ observation: GuestObservation, of snapshot: NamedCommit) async -> ResumeDiagnosis {
        var explanation: ResumeExplanation?
        if let symptom = observation.symptom {
            explanation = symptom.explanation(findings: await findings(about: snapshot))
        }
        return ResumeDiagnosis(verdict: observation.verdict, observation: observation, explanation: explanation)
    }

    /// Findings of the built-in policy; none where a snapshot cannot be checked, because explaining must not fail.
    func findings(about snapshot: NamedCommit) async -> [Finding] {
        var findings: [Finding] = []
        guard let target = try? await translator(installation()) else { return [] }
        for commit in [snapshot, original(of: snapshot)].compactMap(\.self) {
            guard let context = try? await checkContext(commit, target: target),
                let report = try? SnapshotConverter().check(context, policy: .standard)
            else { continue }
            // Of the original, what a conversion could not repair.
            findings += commit.digest == snapshot.digest ? report.findings : report.findings(.fatal)
        }
        return findings
    }

    /// The snapshot that another was converted from.
    func original(of snapshot: NamedCommit) -> NamedCommit? {
        guard snapshot.commit.edge == .convert, let parent = snapshot.commit.parents.first,
            let commit = try? store.commit(parent)
        else { return nil }
        return NamedCommit(name: snapshot.name, digest: parent, commit: commit)
    }
}
