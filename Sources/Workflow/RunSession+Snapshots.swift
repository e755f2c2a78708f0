import Hypervisor
import Lineage

extension RunSession {
    /// Takes every internal snapshot of the run into the store as it appears, whoever asked for it; ends when QEMU has
    /// ended.
    ///
    /// QEMU never changes the clusters of an internal snapshot, so that they can be read while the guest runs on.
    func keepSnapshots(of process: QEMUProcess, _ keeper: SnapshotKeeper) async throws {
        for await change in process.snapshotChanges {
            guard case .saved(let snapshot) = change, snapshot.isComplete(for: configuration) else { continue }
            let reference = try await keeper.keep(snapshot)
            stemma.progress.step("stored \(reference)")
        }
    }
}
