import ContentStore
import DiskImage
import Hypervisor
import Lineage
import VMState

/// A snapshot that was taken elsewhere.
package struct ImportRequest: Sendable {
    /// A migration stream, a save file of libvirt, or a qcow2 file with an internal snapshot.
    package var file: String
    package var vm: Name
    package var name: Name
    /// ID or name of the internal snapshot of a qcow2 file.
    package var internalSnapshot: String?
    /// The disks as they were, raw or qcow2; empty for those of the VM.
    package var disks: [String] = []
    /// The CPU model that the guest ran on, if it is known.
    package var cpu: String?
    package var remarks = Remarks()

    package init(file: String, vm: Name, name: Name) {
        self.file = file
        self.vm = vm
        self.name = name
    }
}

extension Stemma {
    /// Takes a snapshot into the store as one of `request.vm`.
    ///
    /// The machine is the VM's, corrected by what the stream says for itself: machine type, memory, CPUs.
    package func importSnapshot(_ request: ImportRequest) throws {
        try catalogue.requireFree(snapshot: request.name, of: request.vm)
        let head = try catalogue.vm(request.vm).head
        let ingest = try store.beginIngest(label: "snapshot import \(request.vm):\(request.name)")
        var commit = head.commit.successor(.import, of: head.digest, message: "Imported from a file")
        progress.step("reading \(request.file)")

        let state: MachineStateIngest.Result
        var disks = request.disks
        switch try DiskImages.probe(path: request.file) {
        case .qcow2:
            let image = try Qcow2Image(path: request.file)
            guard let wanted = request.internalSnapshot else {
                let names = image.snapshots.map(\.name).joined(separator: ", ")
                throw WorkflowError(
                    .usage,
                    "\(request.file) is a qcow2 file: name one of its internal snapshots with --from-snapshot"
                        + (names.isEmpty ? ", but it has none." : " (\(names))."))
            }
            let snapshot = try image.snapshot(wanted)
            guard snapshot.vmStateSize > 0 else {
                throw WorkflowError(
                    .usage,
                    "The snapshot '\(wanted)' of \(request.file) is one of the disk alone, without a machine state. "
                        + "If the VM had several disks, another file holds it.")
            }
            state = try MachineStateIngest(ingest: ingest).read(
                SnapshotSource(image.vmState(of: snapshot), name: request.file))
            if disks.isEmpty, let disk = commit.disks.keys.sorted().first {
                commit.disks[disk] = try DiskIngest(ingest: ingest).whole(image.view(of: snapshot))
            }
        case .raw:
            if request.internalSnapshot != nil {
                throw WorkflowError(.usage, "\(request.file) is no qcow2 file, so --from-snapshot means nothing.")
            }
            let source = try SnapshotSource(path: request.file)
            if let libvirt = source.libvirt {
                progress.step(
                    "a save file of libvirt (\(libvirt.compression.name)); its XML is kept with the snapshot")
                commit.blobs[LibvirtBlob.domain] = try ingest.putBlob([UInt8](libvirt.domain.utf8))
                commit.blobs[LibvirtBlob.cookie] = try libvirt.cookie.map { try ingest.putBlob([UInt8]($0.utf8)) }
            }
            state = try MachineStateIngest(ingest: ingest).read(source)
        case .vmdk, .vdi, .vhdx, .vpc, .parallels:
            throw WorkflowError(
                .usage, "\(request.file) is a disk without a machine state: give it with --disk, next to a snapshot.")
        }

        var configuration = try configuration(of: head.commit, named: request.vm.text)
        try configuration.adopt(state.stream, cpu: request.cpu)
        guard disks.isEmpty || disks.count == configuration.disks.count else {
            throw WorkflowError(
                .usage,
                "'\(request.vm)' has \(configuration.disks.count) disks, but --disk was given \(disks.count) times.")
        }
        for disk in configuration.disks where !disks.isEmpty {
            let path = disks.removeFirst()
            progress.step("reading \(path)")
            commit.disks[disk.id] = try DiskIngest(ingest: ingest).whole(DiskImages.open(path: path))
        }
        commit.ram = state.ram
        commit.state = state.state
        commit.machine = try put(configuration, in: ingest)
        commit.attributes[Attribute.accelerator] = state.stream.device("kvmclock") == nil ? "tcg" : "kvm"
        commit.attributes[Attribute.source] = request.file.split(separator: "/").last.map(String.init)
        if let cpu = request.cpu { commit.attributes[Attribute.cpu] = cpu }
        request.remarks.apply(to: &commit)
        try catalogue.addSnapshot(
            request.name, of: request.vm, commit: commit, ingest: ingest,
            operation: "snapshot import \(request.vm) \(request.name)")
    }
}

extension MachineConfiguration {
    /// Takes over what a stream says about its machine, and refuses a stream of another sort of machine.
    fileprivate mutating func adopt(_ stream: MigrationStream, cpu: String?) throws {
        func refuse(_ text: String) -> WorkflowError {
            WorkflowError(.usage, "This snapshot is not one of the VM's machine: \(text)")
        }
        if let machine = stream.machineName { self.machine = machine }
        guard let ram = stream.mainRAM, ram.usedLength.isMultiple(of: 1 << 20) else {
            throw refuse("its stream has no main memory 'pc.ram' of whole MiB.")
        }
        memoryMiB = Int(clamping: ram.usedLength >> 20)
        cpus = stream.cpuCount
        if let cpu { self.cpu = cpu }
        for disk in disks {
            let slot = String(disk.slot, radix: 16)
            let address = "0000:00:\(slot.count == 1 ? "0" : "")\(slot).0/virtio-blk"
            guard stream.devices.contains(where: { $0.idstr == address }) else {
                let others = stream.devices.filter { $0.idstr.hasSuffix("/virtio-blk") }.map(\.idstr)
                throw refuse(
                    "'\(disk.id)' should be the device \(address), but the stream has "
                        + (others.isEmpty ? "no virtio-blk disk." : others.joined(separator: ", ") + "."))
            }
        }
        try validate()
    }
}
