import ContentStore
import Hypervisor
import Lineage
import Machine
import PCDevices
import VMState

extension Stemma {
    /// Resumes a snapshot in Stemma's own engine, concretely. Nothing that the guest writes touches the store, unless a snapshot is saved.
    package func runNative(_ request: NativeRunRequest) async throws -> NativeRunReport {
        try request.validate()
        let origin = try catalogue.snapshot(request.snapshot)
        let vm = request.snapshot.vm
        if let save = request.save { try catalogue.requireFree(snapshot: save, of: vm) }
        let configuration = try configuration(of: origin.commit, named: request.snapshot.description)
        let state = try machineState(of: origin)
        var options = try nativeOptions(of: origin, state)
        if let quantum = request.quantum { options.quantum = quantum }
        if let seed = request.seed { options.randomSeed = seed }
        options.usesMachineCode = !request.usesInterpreter
        let chosen = options
        let run = try RunDirectory.create(under: home.runs, name: vm.text, purpose: "native")
        defer { try? run.remove() }
        // What the guest reads stays in the store until the run has ended, whatever names are removed meanwhile.
        let lease = try store.lease(label: "run \(request.snapshot) native", pins: [origin.digest])
        defer { withExtendedLifetime(lease) {} }
        let driver = try NativeDriver(request)
        let saver = NativeSaver(
            stemma: self, driver: driver, origin: origin, configuration: configuration, state: state, vm: vm)
        let requests = try await RequestServer.start(socket: run.paths.requestSocket) { await saver.answer($0) }
        let disks = snapshotDisks(of: origin, configuration)
        progress.step(
            "\(request.snapshot) goes on in Stemma's engine" + (request.isHeadless ? "" : "; Ctrl-a x ends it"))
        let job = NativeJob(driver: driver, saver: saver, request: request)
        do {
            // Ctrl-C is a key for the guest, or the end of a headless run.
            let report = try await untilInterrupted(
                onThread: "engine", interruption: "interrupted", stop: { driver.stop() }
            ) {
                try job.run { try state.machine(chosen, disks: disks, isConfined: true) }
            }
            await requests.stop()
            return report
        } catch {
            await requests.stop()
            throw error
        }
    }

    /// What a native run of a snapshot begins with: its CPU, and the rate of its time-stamp counter. The store's caches become small.
    func nativeOptions(of origin: NamedCommit, _ state: StoredMachineState) throws -> MachineOptions {
        var options = MachineOptions.wholeMachine
        // Nobody explores here.
        options.stopsAtHypercalls = false
        if let fingerprint = try recordedFingerprint(of: origin.commit) { options.model = ProcessorModel(fingerprint) }
        options.timeStampHertz = timeStampRate(of: state, commit: origin.digest)
        // What the guest touches stays with the machine; the store shall not keep it a second time.
        store.limitCaches(frames: 4 << 20, nodes: 4 << 20)
        return options
    }

    /// The disks of a snapshot, in the order of their slots.
    func snapshotDisks(of origin: NamedCommit, _ configuration: MachineConfiguration) -> [StoredDisk] {
        configuration.disks.map { StoredDisk(store, origin.commit.disks[$0.id]) }
    }
}

/// A run from the loaded machine to its report, on the machine's thread.
private struct NativeJob: Sendable {
    let driver: NativeDriver
    let saver: NativeSaver
    let request: NativeRunRequest

    func run(_ load: () throws -> Machine) throws -> NativeRunReport {
        defer { driver.finish() }
        let clock = ContinuousClock()
        let start = clock.now
        let machine = try load()
        let begin = machine.virtualTime
        let result = try driver.run(machine)
        if let name = request.save, result.end == .text || result.end == .time {
            _ = try saver.save(name, of: machine, remarks: request.remarks)
        }
        var report = NativeRunReport(snapshot: request.snapshot.description, end: result.end, detail: result.detail)
        report.instructions = machine.retiredTotal
        report.virtualSeconds = Double(machine.virtualTime - begin) / 1e9
        report.seconds = (clock.now - start).seconds
        report.digest = try saver.digest(of: machine).hex
        report.console = String(decoding: result.console, as: UTF8.self)
        report.snapshots = saver.references.map(\.description)
        report.notes = machine.notes
        return report
    }
}
