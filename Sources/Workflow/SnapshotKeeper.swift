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
    /// An empty file in the directory of a run that failed after its snapshots were stored.
    static let failureMark = "failed"
}

/// Takes the internal snapshots of a run's overlays into the store, each one on the one before.
struct SnapshotKeeper {
    let stemma: Stemma
    let source: RunSource
    let origin: NamedCommit
    let configuration: MachineConfiguration
    let paths: RunPaths
    let commandLine: String
    private var parent: Digest

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

    /// Stores one snapshot, under another name when its own is taken.
    mutating func keep(_ snapshot: InternalSnapshot) throws -> Reference {
        let vm = try Name(source.vm, role: "VM")
        let ingest = try stemma.store.beginIngest(label: "snapshot \(vm):\(snapshot.name)")
        var commit = origin.commit.successor(
            .snapshot, of: parent, message: "Saved under \(source.accelerator.rawValue) as '\(snapshot.name)'")
        for disk in configuration.disks {
            let (image, entry) = try open(snapshot, node: disk.id)
            commit.disks[disk.id] = try DiskIngest(ingest: ingest)
                .apply(image.layer(of: entry), to: origin.commit.disks[disk.id])
        }
        let node = snapshot.machineStateNode ?? MachineConfiguration.machineStateNode
        let (image, entry) = try open(snapshot, node: node)
        let state = try MachineStateIngest(ingest: ingest).read(
            SnapshotSource(image.vmState(of: entry), name: "snapshot '\(snapshot.name)'"))
        commit.ram = state.ram
        commit.state = state.state
        commit.machine = try stemma.put(configuration, in: ingest)
        commit.attributes[Attribute.accelerator] = source.accelerator.rawValue
        commit.attributes[Attribute.cpu] = configuration.cpu
        commit.attributes[Attribute.commandLine] = commandLine

        let name = try stemma.catalogue.freeSnapshotName(snapshot.name, of: vm)
        if name.text != snapshot.name {
            stemma.progress.step("'\(snapshot.name)' is taken or no name for a snapshot; it is stored as '\(name)'")
        }
        parent = try stemma.catalogue.addSnapshot(
            name, of: vm, commit: commit, ingest: ingest, operation: "snapshot save \(vm) \(name)")
        return Reference(vm: vm, snapshot: name)
    }

    private func open(_ snapshot: InternalSnapshot, node: String) throws -> (Qcow2Image, Qcow2Snapshot) {
        guard let path = paths.image(ofNode: node, in: configuration) else {
            throw WorkflowError(.malformed, "QEMU's snapshot '\(snapshot.name)' names an unknown block node '\(node)'.")
        }
        let image = try Qcow2Image(path: path)
        return (image, try image.snapshot(snapshot.ids[node] ?? snapshot.name))
    }
}
