import ContentStore
import Hypervisor
import Lineage

/// Names of VMs and snapshots: copied, changed, dropped. Commits and what they hold stay as they are.
extension Stemma {
    /// Makes a VM that starts as another one is, with its snapshots, their tags and notes.
    package func cloneVM(_ origin: Name, as clone: Name) throws -> ChangeReport {
        ChangeReport("cloned", clone.text, from: origin.text, try catalogue.clone(origin, as: clone))
    }

    /// Gives a VM another name, unless it is running.
    package func renameVM(_ old: Name, to new: Name) async throws -> ChangeReport {
        // What a run of it that died has left is stored under the name that the run knows.
        await recoverRuns()
        try requireStopped(old)
        return ChangeReport("renamed", new.text, from: old.text, try catalogue.rename(old, to: new))
    }

    /// Drops a VM, unless it is running.
    package func removeVM(_ name: Name) async throws -> ChangeReport {
        await recoverRuns()
        try requireStopped(name)
        return ChangeReport("removed", name.text, try catalogue.removeVM(name))
    }

    /// Gives a snapshot another name.
    package func renameSnapshot(_ reference: Reference, to new: Name) throws -> ChangeReport {
        let operation = try catalogue.rename(reference, to: new)
        return ChangeReport("renamed", "\(reference.vm):\(new)", from: reference.description, operation)
    }

    /// Drops the name of a snapshot.
    package func removeSnapshot(_ reference: Reference) throws -> ChangeReport {
        ChangeReport("removed", reference.description, try catalogue.removeSnapshot(reference))
    }

    /// Drops the name of an experiment. Its files in the home stay.
    package func removeExperiment(_ name: Name) throws -> ChangeReport {
        ChangeReport("removed", name.text, try catalogue.removeExperiment(name))
    }

    /// Throws `busy` when a run of the VM is under way.
    func requireStopped(_ vm: Name) throws {
        if let run = try runs.running(name: vm.text) {
            throw WorkflowError(
                .busy, "'\(vm)' is running (\(run.purpose), process \(run.ownerProcess)). End that run first.")
        }
    }
}
