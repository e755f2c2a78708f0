import ContentStore
import Hypervisor
import Lineage

extension Stemma {
    /// How long a guest runs before it is saved anew: what was under way at the first moment is over then.
    private static let pauseBeforeSave = Duration.seconds(1)

    /// Saves a snapshot anew when that can help a guest that did not live, and says so: the failure came from something that
    /// was under way at the moment of the save.
    ///
    /// The snapshot that it was converted from (or itself, when it was not converted) is resumed by what ran it, saved a
    /// moment later, and converted as it was. Both new snapshots stay, named NAME-again and NAME-again-dbt.
    ///
    /// - Returns: the run of the new snapshot; nil when a fresh save would not help, or cannot be made here, which is said.
    func savedAgain(_ request: RunRequest, after failure: GuestFailure) async throws -> RunRequest? {
        guard let explanation = failure.diagnosis.explanation, explanation.isOfTheMoment, !request.isRetry else {
            return nil
        }
        progress.step("\(failure)")
        let snapshot = try catalogue.snapshot(request.reference)
        guard let converted = original(of: snapshot),
            let source = try reference(to: converted, of: request.reference.vm)
        else {
            progress.step(
                "a save at another moment may help (\(explanation.check)), but the snapshot was not converted from one that "
                    + "is still there: save it again where the guest runs")
            return nil
        }
        let mode: RunRequest.Mode = converted.commit.attributes[Attribute.accelerator] == "kvm" ? .kvm : .prep
        if mode == .kvm {
            do {
                try await requireKVM(installation())
            } catch {
                progress.step(
                    "a save at another moment may help (\(explanation.check)), but \(source) was taken under KVM: on a "
                        + "machine with KVM, 'stemma run \(source) kvm' and 'stemma snapshot save' make one. \(error)")
                return nil
            }
        }
        let saved = try catalogue.freeSnapshotName("\(source.snapshot?.text ?? "snapshot")-again", of: source.vm)
        let name = try catalogue.freeSnapshotName("\(saved)-dbt", of: source.vm)
        progress.step(
            "trying again with a fresh save: \(source) runs for \(Self.pauseBeforeSave) under \(mode.rawValue) and is saved "
                + "as \(saved)")
        try await waitUntilFree(source.vm)
        _ = try await run(RunRequest(source, mode: mode)) { _, saver in
            try await Task.sleep(for: Self.pauseBeforeSave)
            _ = try await saver.save(saved, then: .paused)
        }
        _ = try await convert(
            Reference(vm: source.vm, snapshot: saved), as: name, policy: .standard)
        progress.step("\(source.vm):\(name) is the fresh save, converted; it is resumed now")
        try await waitUntilFree(source.vm)
        var again = request
        again.reference = Reference(vm: source.vm, snapshot: name)
        again.isRetry = true
        return again
    }

    /// Waits until the run that has just ended has let go of the VM: tasks that looked at it may end a moment later.
    private func waitUntilFree(_ vm: Name) async throws {
        for _ in 0..<500 where try runs.running(name: vm.text) != nil { try await Task.sleep(for: .milliseconds(10)) }
    }

    /// The name of a snapshot's commit.
    private func reference(to snapshot: NamedCommit, of vm: Name) throws -> Reference? {
        try catalogue.references()[snapshot.digest]?.first { $0.vm == vm && $0.snapshot != nil }
    }
}
