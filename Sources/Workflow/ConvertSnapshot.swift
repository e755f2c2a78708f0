import CPUModel
import ContentStore
import Conversion
import Foundation
import Hypervisor
import Lineage
import VMState

/// What a conversion did, or would do.
package struct ConvertReport: Sendable, Codable {
    /// The converted snapshot; nil for a plan.
    package let snapshot: String?
    package let fixes: [AppliedFix]
    package let before: CheckReport
    package let after: CheckReport
    /// The CPU model that the converted snapshot resumes with.
    package let cpu: String
    /// Pages of RAM that are not those of the original.
    package let changedPages: Int

    package var text: String {
        let verb = snapshot == nil ? "would fix" : "fixed"
        var lines = fixes.flatMap { fix in
            ["\(verb) \(fix.check) (\(fix.fix))"]
                + (fix.changes.map(\.text) + fix.memory.map(\.text)).map { "    " + $0 }
        }
        if fixes.isEmpty { lines.append(snapshot == nil ? "nothing has to be fixed" : "nothing had to be fixed") }
        if let snapshot {
            lines.append("\(snapshot) can be resumed by \(after.target) with -cpu \(cpu)")
        } else {
            lines.append("nothing was written; \(after.target) would resume it with -cpu \(cpu)")
        }
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
    /// Finds out what a conversion would change, and changes nothing.
    package func planConversion(
        _ reference: Reference, policy: PolicySource, target: String? = nil
    ) async throws -> ConvertReport {
        let (_, result) = try await conversion(of: catalogue.snapshot(reference), policy: policy, target: target)
        return report(nil, result)
    }

    /// Makes a new snapshot, which the target resumes, of one that was taken elsewhere. The old one stays.
    ///
    /// - Parameter target: its name; nil for the one that the policy names, else the installed QEMU's translator.
    package func convert(
        _ reference: Reference, as name: Name, policy: PolicySource, target: String? = nil
    ) async throws -> ConvertReport {
        let snapshot = try catalogue.snapshot(reference)
        try catalogue.requireFree(snapshot: name, of: reference.vm)
        let (profile, result) = try await conversion(of: snapshot, policy: policy, target: target)

        let ingest = try store.beginIngest(label: "convert \(reference)")
        var commit = snapshot.commit.successor(
            .convert, of: snapshot.digest, message: "Converted for \(profile.name)")
        commit.ram = try MachineStateIngest(ingest: ingest).edit(snapshot.commit.ram, result)
        commit.state = try MachineStateIngest(ingest: ingest).put(result.stream)
        var configuration = try configuration(of: snapshot.commit, named: reference.description)
        if let launch = result.launch { configuration.adopt(launch) }
        commit.machine = try put(configuration, in: ingest)
        commit.findings = try ingest.putBlob([UInt8](Data(result.before.json().utf8)))
        commit.changes = try ingest.putBlob([UInt8](JSONEncoder().encode(result.fixes)))
        commit.attributes[Attribute.accelerator] = profile.accelerator.rawValue
        commit.attributes[Attribute.cpu] = configuration.cpu
        commit.attributes[Attribute.fixes] = result.fixes.map(\.check).joined(separator: ",")
        try catalogue.addSnapshot(
            name, of: reference.vm, commit: commit, ingest: ingest, operation: "convert \(reference) \(name)")
        return report("\(reference.vm):\(name)", result)
    }

    /// Runs the fixes in memory.
    private func conversion(
        of snapshot: NamedCommit, policy: PolicySource, target: String?
    ) async throws -> (TargetProfile, SnapshotConverter.Result) {
        let policy = try policy.load()
        let profile = try await self.target(target, policy: policy)
        let context = try await checkContext(snapshot, target: profile, policy: policy)
        return (profile, try SnapshotConverter().convert(context, policy: policy))
    }

    private func report(_ snapshot: String?, _ result: SnapshotConverter.Result) -> ConvertReport {
        ConvertReport(
            snapshot: snapshot, fixes: result.fixes, before: result.before, after: result.after,
            cpu: result.launch?.cpu ?? "", changedPages: result.changedPages.count)
    }
}
