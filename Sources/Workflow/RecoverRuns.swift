import CPUModel
import ContentStore
import Foundation
import Hypervisor
import Lineage

extension Stemma {
    /// Stores the finished snapshots of runs whose process died before it could, and removes what such runs left.
    ///
    /// A run that cannot be recovered is left as it is and told about; it never stands in the way of anything else. The
    /// logs of a failed run stay until `vm`, its VM, runs again.
    package func recoverRuns(startingRunOf vm: Name? = nil) async {
        guard !store.isReadOnly, let entries = try? runs.entries() else { return }
        for entry in entries {
            if case .alive = entry.state { continue }
            let mark = entry.record.paths.directory + "/" + RunSource.failureMark
            if FileManager.default.fileExists(atPath: mark), Self.vmName(entry.record) != vm?.text { continue }
            do {
                try await recover(entry.record)
            } catch {
                progress.step(
                    "the run in \(entry.record.paths.directory) ended in disorder and cannot be recovered: \(error)")
            }
        }
    }

    /// The VM of a run: clones are called VM#1, VM#2, ....
    private static func vmName(_ record: RunRecord) -> String {
        String(record.name.prefix { $0 != "#" })
    }

    private func recover(_ record: RunRecord) async throws {
        let file = record.paths.directory + "/" + RunSource.fileName
        guard let configuration = record.configuration,
            let bytes = FileManager.default.contents(atPath: file)
        else {
            // QEMU was never started: there can be no snapshot.
            return try runs.remove(record)
        }
        let source = try JSONDecoder().decode(RunSource.self, from: bytes)
        let nodes = configuration.snapshotNodes.compactMap { node in
            record.paths.image(ofNode: node, in: configuration).map { (node: node, path: $0) }
        }
        let origin = NamedCommit(
            name: try Name(source.vm, role: "VM"), digest: source.origin, commit: try store.commit(source.origin))
        let keeper = SnapshotKeeper(
            stemma: self, source: source, origin: origin, configuration: configuration, paths: record.paths,
            commandLine: record.commandLine?.shellText ?? "")
        let cpu = FileManager.default.contents(atPath: record.paths.directory + "/" + RunSource.fingerprintFileName)
        if let cpu, let fingerprint = try? JSONDecoder().decode(CPUFingerprint.self, from: cpu) {
            await keeper.note(fingerprint)
        }
        let stored = Set(try catalogue.vm(origin.name).snapshots.map(\.name.text))
        for snapshot in try await installation().images.snapshots(in: nodes)
        where snapshot.isComplete(for: configuration) && !stored.contains(snapshot.name) {
            let reference = try await keeper.keep(snapshot)
            progress.step("recovered \(reference) from a run that ended in disorder")
        }
        try runs.remove(record)
    }
}
