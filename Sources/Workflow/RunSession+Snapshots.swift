import Hypervisor
import Lineage

extension RunSession {
    /// Takes every snapshot of the run into the store as it appears, whoever asked for it; ends when QEMU has ended.
    ///
    /// QEMU never changes the clusters of an internal snapshot, so that they can be read while the guest runs on.
    func keepSnapshots(of process: QEMUProcess) async throws -> [Reference] {
        var keeper = SnapshotKeeper(
            stemma: stemma, source: source, origin: origin, configuration: configuration, paths: run.paths,
            commandLine: process.commandLine.shellText)
        var kept: [Reference] = []
        for await change in process.snapshotChanges {
            guard case .saved(let snapshot) = change, snapshot.isComplete(for: configuration) else { continue }
            let reference = try keeper.keep(snapshot)
            stemma.progress.step("stored \(reference)")
            kept.append(reference)
        }
        return kept
    }
}
