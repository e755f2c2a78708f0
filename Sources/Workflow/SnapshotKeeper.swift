import CPUModel
import ContentStore
import DiskImage
import Hypervisor
import Lineage
import VMState

/// What a run started from; a file in the run's directory, so that its snapshots can be stored after a crash too.
struct RunSource: Codable, Sendable {
    var vm: String
    var snapshot: String?
    /// Digest of the commit.
    var origin: Digest
    var accelerator: LaunchOptions.Accelerator

    static let fileName = "source.json"
    /// What QEMU said about the guest's CPU.
    static let fingerprintFileName = "cpu.json"
    /// An empty file in the directory of a run that failed after its snapshots were stored.
    static let failureMark = "failed"
}

/// Takes the snapshots of a run into the store, each one on the one before.
actor SnapshotKeeper {
    let stemma: Stemma
    let source: RunSource
    let origin: NamedCommit
    let configuration: MachineConfiguration
    let paths: RunPaths
    let commandLine: String
    /// What the guest sees of its CPU; nil until QEMU was asked.
    private var fingerprint: CPUFingerprint?
    private var parent: Digest
    /// What QEMU's snapshots became, by name and time.
    private var kept: [Key: Reference] = [:]
    /// What users say about snapshots that are being saved, by name.
    private var remarks: [String: Remarks] = [:]

    private struct Key: Hashable {
        let name: String
        let seconds: Int64
        let nanoseconds: Int64
    }

    /// What was stored, in order.
    private(set) var references: [Reference] = []

    init(
        stemma: Stemma, source: RunSource, origin: NamedCommit, configuration: MachineConfiguration, paths: RunPaths,
        commandLine: String
    ) {
        self.stemma = stemma
        self.source = source
        self.origin = origin
        self.configuration = configuration
        self.paths = paths
        self.commandLine = commandLine
        parent = origin.digest
    }

    /// Takes in what QEMU says about the guest's CPU.
    func note(_ fingerprint: CPUFingerprint) { self.fingerprint = fingerprint }

    /// Takes in what a user says about a snapshot that will be saved next.
    func note(_ remarks: Remarks, about name: Name) { self.remarks[name.text] = remarks }

    /// Stores an internal snapshot of the overlays, under another name when its own is taken. One that is stored already is
    /// not stored again.
    func keep(_ snapshot: InternalSnapshot) throws -> Reference {
        let key = Key(name: snapshot.name, seconds: snapshot.seconds, nanoseconds: snapshot.nanoseconds)
        if let reference = kept[key] { return reference }
        let vm = try vm
        let ingest = try stemma.store.beginIngest(label: "snapshot \(vm):\(snapshot.name)")
        let node = snapshot.machineStateNode ?? MachineConfiguration.machineStateNode
        let (image, entry) = try open(snapshot, node: node)
        let state = try MachineStateIngest(ingest: ingest).read(
            SnapshotSource(image.vmState(of: entry), name: "snapshot '\(snapshot.name)'"))
        let name = try stemma.catalogue.freeSnapshotName(snapshot.name, of: vm)
        if name.text != snapshot.name {
            stemma.progress.step("'\(snapshot.name)' is taken or no name for a snapshot; it is stored as '\(name)'")
        }
        let reference = try store(name, of: vm, state: state, disksOf: snapshot, ingest: ingest)
        kept[key] = reference
        return reference
    }

    /// Stores a snapshot whose devices and disks are in the overlays, and whose main memory was taken before, into the same
    /// ingest.
    func keep(
        _ capture: DeviceCapture, mainMemory: TreeRoot, as name: Name, ingest: sending Ingest
    ) throws -> (Reference, IngestStatistics) {
        let (image, entry) = try open(capture.snapshot, node: MachineConfiguration.machineStateNode)
        var state = try MachineStateIngest(ingest: ingest).read(
            SnapshotSource(image.vmState(of: entry), name: "the machine state for '\(name)'"),
            mainMemory: mainMemory)
        if capture.wasRunning {
            // QEMU notes the state when it writes; a snapshot of a running guest says that it runs.
            var stream = state.stream
            try stream.noteThatGuestRan()
            state = MachineStateIngest.Result(
                stream: stream, ram: state.ram, state: try MachineStateIngest(ingest: ingest).put(stream))
        }
        let reference = try store(name, of: vm, state: state, disksOf: capture.snapshot, ingest: ingest)
        return (reference, ingest.statistics)
    }

    private var vm: Name { get throws { try Name(source.vm, role: "VM") } }

    /// Commits a snapshot: disks from the overlays, everything else from the run.
    private func store(
        _ name: Name, of vm: Name, state: MachineStateIngest.Result, disksOf snapshot: InternalSnapshot, ingest: Ingest
    ) throws -> Reference {
        var commit = origin.commit.successor(
            .snapshot, of: parent, message: "Saved under \(source.accelerator.rawValue) as '\(name)'")
        for disk in configuration.disks {
            let (image, entry) = try open(snapshot, node: disk.id)
            commit.disks[disk.id] = try DiskIngest(ingest: ingest)
                .apply(image.layer(of: entry), to: origin.commit.disks[disk.id])
        }
        commit.ram = state.ram
        commit.state = state.state
        commit.machine = try stemma.put(configuration, in: ingest)
        commit.attributes[Attribute.accelerator] = source.accelerator.rawValue
        commit.attributes[Attribute.cpu] = configuration.cpu
        commit.attributes[Attribute.commandLine] = commandLine
        // A resumed guest knows its CPU from the time when it was booted; that comes with the snapshot, or is not known.
        if source.snapshot == nil, let fingerprint {
            commit.fingerprint = try stemma.put(fingerprint, in: ingest)
        }
        remarks.removeValue(forKey: name.text)?.apply(to: &commit)
        parent = try stemma.catalogue.addSnapshot(
            name, of: vm, commit: commit, ingest: ingest, operation: "snapshot save \(vm) \(name)")
        let reference = Reference(vm: vm, snapshot: name)
        references.append(reference)
        return reference
    }

    private func open(_ snapshot: InternalSnapshot, node: String) throws -> (Qcow2Image, Qcow2Snapshot) {
        guard let path = paths.image(ofNode: node, in: configuration) else {
            throw WorkflowError(.malformed, "QEMU's snapshot '\(snapshot.name)' names an unknown block node '\(node)'.")
        }
        let image = try Qcow2Image(path: path)
        return (image, try image.snapshot(snapshot.ids[node] ?? snapshot.name))
    }
}

extension MigrationStream {
    /// Makes the stream say that the guest ran when it was saved, as a stream that QEMU wrote of a running guest does.
    fileprivate mutating func noteThatGuestRan() throws {
        guard device("globalstate") != nil else { return }
        try edit("globalstate") { (section) throws(VMStateError) in
            let text = Array("running".utf8)
            let size = try section.bytes("runstate").count
            guard size > text.count else { return }
            try section.set("runstate", toBytes: text + [UInt8](repeating: 0, count: size - text.count))
            // With the NUL.
            try section.set("size", to: UInt64(text.count + 1))
        }
    }
}
