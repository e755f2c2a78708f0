import Hypervisor
import Lineage

extension Stemma {
    /// Saves a snapshot of a running VM from another process than the one that runs it, which then stores it.
    package func saveSnapshot(_ name: Name, of vm: Name) async throws {
        try catalogue.requireFree(snapshot: name, of: vm)
        _ = try catalogue.vm(vm)
        progress.step("saving \(vm):\(name)")
        let machine = try await runs.connect(name: vm.text)
        do {
            try await machine.monitor.saveSnapshot(name.text)
        } catch {
            await machine.disconnect()
            throw error
        }
        await machine.disconnect()
        // The process that runs the VM stores it; wait until it has.
        let reference = Reference(vm: vm, snapshot: name)
        while (try? catalogue.snapshot(reference)) == nil {
            guard try runs.running(name: vm.text) != nil else {
                throw WorkflowError(
                    .busy,
                    "The run of '\(vm)' ended before it stored '\(name)'. If 'stemma snapshot list \(vm)' does not "
                        + "show it, it is still in the run's directory below \(home.runs).")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}
