import BlockService
import CPUModel
import ContentStore
import Foundation
import Hypervisor
import Lineage

extension Stemma {
    /// Runs a VM, or resumes a snapshot, under KVM or the translator; takes its snapshots into the store.
    ///
    /// The store is never written to by the guest: its disks are overlays in the run's directory. A snapshot is in the
    /// store as soon as it is saved. The VM's head moves to the disks as the guest left them when the guest switched
    /// itself off, because only then are they sure to be consistent.
    package func run(_ request: RunRequest) async throws -> RunOutcome {
        do {
            return try await runOnce(request)
        } catch let failure as GuestFailure {
            // The first run is over, and its lock on the VM with it.
            let again = try await Interruption.cancelling { try await savedAgain(request, after: failure) }
            guard let again else { throw failure }
            return try await runOnce(again)
        }
    }

    private func runOnce(_ request: RunRequest) async throws -> RunOutcome {
        try request.validate()
        let origin = try catalogue.resolve(request.reference)
        if let save = request.save { try catalogue.requireFree(snapshot: save, of: request.reference.vm) }
        let installation = try installation()
        let configuration = try await configuration(for: request, from: origin, installation: installation)
        try configuration.validate()
        if request.mode == .kvm, !request.isDryRun { try await requireKVM(installation) }

        let run = try RunDirectory.create(
            under: home.runs, name: request.reference.vm.text, purpose: request.mode.rawValue)
        if request.isDryRun {
            defer { try? run.remove() }
            var options = launchOptions(request, origin: origin, configuration: configuration, paths: run.paths)
            if origin.commit.kernel != nil {
                options.bootFiles = LaunchOptions.BootFiles(
                    kernel: run.paths.directory + "/kernel",
                    initialRamdisk: origin.commit.initrd.map { _ in run.paths.directory + "/initrd" })
            }
            let line = try QEMUCommandLine(
                executable: installation.system, name: run.record.name, configuration: configuration, options: options,
                paths: run.paths)
            return RunOutcome(commandLine: line.shellText)
        }
        return try await Interruption.cancelling {
            try await session(request, origin: origin, configuration: configuration, run: run, installation).execute()
        }
    }

    /// Prepares a run in a directory, which is removed when that fails.
    private func session(
        _ request: RunRequest, origin: NamedCommit, configuration: MachineConfiguration, run: RunDirectory,
        _ installation: QEMUInstallation
    ) throws -> RunSession {
        do {
            return RunSession(
                stemma: self, request: request, origin: origin, configuration: configuration, run: run,
                installation: installation,
                memory: try .prepare(request, origin: origin, configuration: configuration, stemma: self))
        } catch {
            try? run.remove()
            throw error
        }
    }

    /// Runs a machine headless for the time of a piece of work, which begins when the guest runs: to measure it.
    ///
    /// - Parameter body: gets QEMU, and what saves snapshots of it.
    package func run(
        _ request: RunRequest, _ body: @escaping @Sendable (QEMUProcess, RunSaver) async throws -> Void
    ) async throws -> RunOutcome {
        var request = request
        request.isHeadless = true
        request.isMeasured = true
        try request.validate()
        let origin = try catalogue.resolve(request.reference)
        let installation = try installation()
        let configuration = try await configuration(for: request, from: origin, installation: installation)
        let run = try RunDirectory.create(
            under: home.runs, name: request.reference.vm.text, purpose: request.mode.rawValue)
        return try await session(request, origin: origin, configuration: configuration, run: run, installation)
            .execute(body)
    }

    /// The machine to run: that of the commit, with what the user asked to change.
    func configuration(
        for request: RunRequest, from origin: NamedCommit, installation: QEMUInstallation
    ) async throws -> MachineConfiguration {
        var configuration = try configuration(of: origin.commit, named: request.reference.description)
        if let memory = request.memoryMiB { configuration.memoryMiB = memory }
        if let cpus = request.cpus { configuration.cpus = cpus }
        configuration.extraArguments += request.extraArguments
        if let cpu = request.cpu {
            configuration.cpu = cpu
        } else if request.mode == .kvm, request.reference.snapshot == nil {
            configuration.cpu = try await captureCPU(installation)
        }
        return configuration
    }

    func launchOptions(
        _ request: RunRequest, origin: NamedCommit, configuration: MachineConfiguration, paths: RunPaths,
        bootFiles: LaunchOptions.BootFiles? = nil
    ) -> LaunchOptions {
        let disks = origin.commit.disks
        return LaunchOptions(
            accelerator: request.mode.accelerator, console: request.isHeadless ? .headless : .interactive,
            start: request.reference.snapshot == nil ? .boot : .incoming,
            diskBases: configuration.disks.map {
                .nbd(socket: paths.exportSocket, export: $0.id, size: disks[$0.id]?.length ?? 0)
            },
            bootFiles: bootFiles)
    }
}
