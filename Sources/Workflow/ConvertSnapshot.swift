import CPUModel
import ContentStore
import Conversion
import Foundation
import Hypervisor
import Lineage
import VMState

/// What a conversion did.
package struct ConvertReport: Sendable, Codable {
    package let snapshot: String
    package let fixes: [AppliedFix]
    package let before: CheckReport
    package let after: CheckReport
    /// The CPU model that the converted snapshot resumes with.
    package let cpu: String

    package var text: String {
        var lines = fixes.map { fix in
            "fixed \(fix.check) (\(fix.fix)): "
                + (fix.changes.map(\.text) + fix.memory.map(\.text)).joined(separator: "; ")
        }
        if fixes.isEmpty { lines.append("nothing had to be fixed") }
        lines.append("\(snapshot) can be resumed by \(after.target) with -cpu \(cpu)")
        return lines.joined(separator: "\n")
    }
}

extension StreamChange {
    fileprivate var text: String {
        "\(section)\(field.map { " \($0)" } ?? "") \(before) → \(after)"
    }
}

extension MemoryChange {
    fileprivate var text: String {
        "RAM 0x\(String(address, radix: 16)) (\(subject)) \(Self.text(before)) → \(Self.text(after))"
    }
}

extension Stemma {
    /// Makes a new snapshot, which the translator resumes, of one that was taken under KVM. The old one stays.
    package func convert(_ reference: Reference, as name: Name, policy: PolicySource) async throws -> ConvertReport {
        let snapshot = try catalogue.snapshot(reference)
        try catalogue.requireFree(snapshot: name, of: reference.vm)
        let target = try await translator(installation())
        let context = try await checkContext(snapshot, target: target)
        let result = try SnapshotConverter().convert(context, policy: policy.load())

        let ingest = try store.beginIngest(label: "convert \(reference)")
        var commit = snapshot.commit.successor(
            .convert, of: snapshot.digest, message: "Converted for \(target.name)")
        commit.ram = try MachineStateIngest(ingest: ingest).edit(snapshot.commit.ram, result)
        commit.state = try MachineStateIngest(ingest: ingest).put(result.stream)
        var configuration = try configuration(of: snapshot.commit, named: reference.description)
        configuration.cpu = try await targetCPU(for: snapshot.commit.attributes[Attribute.cpu])
        commit.machine = try put(configuration, in: ingest)
        commit.findings = try ingest.putBlob([UInt8](Data(result.before.json().utf8)))
        commit.attributes[Attribute.accelerator] = "tcg"
        commit.attributes[Attribute.cpu] = configuration.cpu
        commit.attributes[Attribute.fixes] = result.fixes.map(\.check).joined(separator: ",")
        try catalogue.addSnapshot(
            name, of: reference.vm, commit: commit, ingest: ingest, operation: "convert \(reference) \(name)")
        return ConvertReport(
            snapshot: "\(reference.vm):\(name)", fixes: result.fixes, before: result.before, after: result.after,
            cpu: configuration.cpu)
    }

    /// The CPU model for the translator: the same where the guest was booted on one that was chosen for the translator and
    /// did not show KVM, else everything that the translator can do, because a guest may use any feature that it saw.
    private func targetCPU(for cpu: String?) async throws -> String {
        let argument = CPUArgument(cpu ?? "")
        guard argument.options.contains(where: { $0.name == "kvm" && $0.isOn == false }),
            let same = argument.forTranslator,
            try await installation().objection(to: same.description, accelerator: .tcg) == nil
        else { return "max" }
        return same.description
    }
}
