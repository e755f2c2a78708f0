import BlockService
import ContentStore
import DiskImage
import Foundation
import Hypervisor
import Lineage
import Synchronization

/// One run of QEMU from start to end, with everything around it: the disks' server, the state to resume, the snapshots.
final class RunSession: Sendable {
    let stemma: Stemma
    let request: RunRequest
    let origin: NamedCommit
    let configuration: MachineConfiguration
    let run: RunDirectory
    let installation: QEMUInstallation
    let memory: RunMemory
    /// How the run is called in messages.
    let title: String

    init(
        stemma: Stemma, request: RunRequest, origin: NamedCommit, configuration: MachineConfiguration,
        run: RunDirectory, installation: QEMUInstallation, memory: RunMemory, title: String? = nil
    ) {
        self.stemma = stemma
        self.request = request
        self.origin = origin
        self.configuration = configuration
        self.run = run
        self.installation = installation
        self.memory = memory
        self.title = title ?? request.reference.description
    }

    /// What the run started from, for its directory.
    var source: RunSource {
        RunSource(
            vm: request.reference.vm.text, snapshot: request.reference.snapshot?.text, origin: origin.digest,
            accelerator: request.mode.accelerator)
    }

    /// Runs to the end. The run's directory is removed unless something in it is still wanted.
    ///
    /// - Parameter body: what is done once the guest runs, instead of what the request says.
    func execute(
        _ body: (@Sendable (QEMUProcess, RunSaver) async throws -> Void)? = nil
    ) async throws -> RunOutcome {
        let clock = ContinuousClock()
        let start = clock.now
        let progress = stemma.progress
        // What the run serves stays in the store until it has ended, whatever names are removed meanwhile.
        let lease: Lease
        let server: NBDServer
        do {
            lease = try stemma.store.lease(label: "run \(title)", pins: [origin.digest])
            server = try await NBDServer.start(exports: exports(), socketPath: run.paths.exportSocket) { failure in
                progress.step("the guest could not read \(failure.export) at \(failure.offset): \(failure.error)")
            }
        } catch {
            try? run.remove()
            throw error
        }
        defer { withExtendedLifetime(lease) {} }
        let process: QEMUProcess
        do {
            try JSONEncoder().encode(source)
                .write(to: URL(fileURLWithPath: run.paths.directory + "/" + RunSource.fileName))
            var options = stemma.launchOptions(request, origin: origin, configuration: configuration, paths: run.paths)
            options.bootFiles = try stemma.cachedBootFiles(of: origin.commit, start: options.start)
            options.memory = memory.options
            process = try await QEMUProcess.launch(
                configuration, options: options, in: run, using: installation)
        } catch {
            await server.stop()
            try? run.remove()
            throw error
        }
        let keeper = SnapshotKeeper(
            stemma: stemma, source: source, origin: origin, configuration: configuration, paths: run.paths,
            commandLine: process.commandLine.shellText)
        let asking = Task { await noteCPU(of: process, keeper) }
        let saver = RunSaver(process: process, keeper: keeper, stemma: stemma, vm: request.reference.vm)
        let keeping = Task { try await keepSnapshots(of: process, keeper) }
        let powerOff = Task { await Self.wasSwitchedOffByGuest(process) }
        let requests = try? await RequestServer.start(socket: run.paths.requestSocket) { await saver.answer($0) }

        var outcome = RunOutcome(commandLine: process.commandLine.shellText)
        var failure: (any Error)?
        do {
            try await resume(process)
            await asking.value
            let watched = try await watch(process)
            outcome.startSeconds = (clock.now - start).seconds
            if request.isVerbose {
                progress.step("\(title) runs after \(String(format: "%.3f", outcome.startSeconds)) s")
            }
            if let body { try await body(process, saver) } else { try await drive(process, saver, watched) }
        } catch {
            failure = error
        }
        await requests?.stop()
        await saver.drain()
        if request.isMeasured { outcome.memory = process.memoryUse() }
        await process.quit()
        let kept = await keeping.result
        await server.stop()

        outcome.console = process.serialTail()
        outcome.snapshots = await keeper.references
        if case .failure(let error) = kept {
            // The overlays hold what could not be stored: the directory stays.
            throw WorkflowError(
                .io,
                "A snapshot of this run could not be stored: \(error)\nIt is still in \(run.paths.directory); free what "
                    + "is short and import it from there with 'stemma snapshot import'.")
        }
        if let failure {
            // There is nothing to find out about clones that the user ended.
            if request.isMeasured, failure is CancellationError {
                try? run.remove()
                throw failure
            }
            // The logs stay until the VM runs again.
            if FileManager.default.createFile(atPath: run.paths.directory + "/" + RunSource.failureMark, contents: nil)
            {
                throw failure
            }
            try? run.remove()
            throw failure
        }
        try finishDisks(guestSwitchedOff: await powerOff.value, &outcome)
        try? run.remove()
        return outcome
    }

    /// Asks QEMU for the features of the guest's CPU, for the snapshots, and keeps the answer for the case of a crash.
    ///
    /// A QEMU that does not tell is no reason to fail: the snapshots have no fingerprint then.
    private func noteCPU(of process: QEMUProcess, _ keeper: SnapshotKeeper) async {
        guard
            let fingerprint = try? await process.monitor.cpuFingerprint(
                cpu: configuration.cpu, accelerator: request.mode.accelerator)
        else { return }
        await keeper.note(fingerprint)
        try? Data(fingerprint.json.utf8)
            .write(to: URL(fileURLWithPath: run.paths.directory + "/" + RunSource.fingerprintFileName))
    }

    /// Loads the state of the snapshot, if the run has one; the guest stands still then.
    private func resume(_ process: QEMUProcess) async throws {
        guard let state = memory.state else { return }
        stemma.progress.step("resuming \(title)")
        let name = title
        let isFile = memory.isFile
        let clock = ContinuousClock()
        let answered = clock.now
        try await memory.filling?.value
        let filled = clock.now
        try await process.resume(
            from: .blocking { descriptor in
                try state.write(toDescriptor: descriptor, name: name, leavesOutMemory: isFile)
            }, thenRun: false, leavesOutMemory: isFile)
        if request.isVerbose {
            let (waited, loaded) = ((filled - answered).seconds, (clock.now - filled).seconds)
            stemma.progress.step(
                "\(title): waited \(String(format: "%.3f", waited)) s for main memory after QEMU answered; the rest took "
                    + String(format: "%.3f s", loaded))
        }
    }

    /// What the user asked the run to do, once the guest runs.
    private func drive(_ process: QEMUProcess, _ saver: RunSaver, _ watched: WatchedGuest?) async throws {
        guard let text = request.until else {
            if request.isHeadless {
                stemma.progress.step("\(title) is running; Ctrl-C ends it, its console is \(run.paths.serialLog)")
            }
            let reporting = watched.map { watched in Task { await report(watched) } }
            defer { reporting?.cancel() }
            _ = try await process.waitForExit()
            return
        }
        stemma.progress.step("\(title): waiting for '\(text)' on the serial console")
        try await wait(for: text, on: process, watched)
        guard let name = request.save else { return }
        stemma.progress.step("saving \(request.reference.vm):\(name)")
        _ = try await saver.save(name, then: .paused, remarks: request.remarks)
    }

    /// Whether the guest asked for the power to be switched off, once QEMU has ended.
    private static func wasSwitchedOffByGuest(_ process: QEMUProcess) async -> Bool {
        var byGuest = false
        for await event in process.monitor.client.events() {
            if case .shutdown(byGuest: true, reason: "guest-shutdown") = event.kind { byGuest = true }
        }
        return byGuest
    }

    /// The disks of the commit that the run starts from, by the ids that the machine gives them.
    private func exports() throws -> [NBDExport] {
        let disks = origin.commit.disks
        return try configuration.disks.map { disk in
            guard let root = disks[disk.id] else {
                throw WorkflowError(.malformed, "The commit of \(request.reference) lacks the disk '\(disk.id)'.")
            }
            return NBDExport(
                name: disk.id, description: "\(request.reference) \(disk.id)",
                source: StoreBlockSource(store: stemma.store, tree: root))
        }
    }

    /// Moves the VM's head when the guest left its disks in order, or when the user wants them as they are.
    private func finishDisks(guestSwitchedOff: Bool, _ outcome: inout RunOutcome) throws {
        guard request.reference.snapshot == nil, request.save == nil else { return }
        let ingest = try stemma.store.beginIngest(label: "run \(request.reference)")
        var disks = origin.commit.disks
        for disk in configuration.disks {
            let image = try Qcow2Image(path: run.paths.overlay(of: disk))
            disks[disk.id] = try DiskIngest(ingest: ingest).apply(image.activeLayer(), to: disks[disk.id])
        }
        guard disks != origin.commit.disks else { return }
        guard guestSwitchedOff || request.keepsDisks else {
            outcome.discardedDiskChanges = true
            return
        }
        var commit = origin.commit.successor(.run, of: origin.digest, message: "Run under \(request.mode.rawValue)")
        commit.disks = disks
        commit.attributes[Attribute.accelerator] = request.mode.accelerator.rawValue
        try stemma.catalogue.moveHead(
            of: request.reference.vm, from: origin.digest, to: commit, ingest: ingest,
            operation: "run \(request.reference) \(request.mode.rawValue)")
        outcome.movedHead = true
    }
}
