import ContentStore
import DiskImage
import Hypervisor
import Lineage

/// What a new disk holds.
package enum NewDisk: Sendable, Hashable {
    /// The contents of an image file; without a format, the file is looked at.
    case file(String, format: String?)
    case empty(ByteSize)
}

/// Disks that a VM gains or loses: a new head. Its snapshots keep the disks that they were taken with.
extension Stemma {
    /// The disks of a VM.
    package func listDisks(of vm: Name) throws -> [DiskListing] {
        let head = try catalogue.resolve(Reference(vm: vm))
        return Self.disks(of: head.commit, try configuration(of: head.commit, named: vm.text))
    }

    /// Adds a disk to a VM that does not run. Ctrl-C leaves the VM as it was.
    package func addDisk(_ new: NewDisk, to vm: Name) async throws -> DiskListing {
        try await Interruption.cancelling { try add(new, to: vm) }
    }

    private func add(_ new: NewDisk, to vm: Name) throws -> DiskListing {
        var id = ""
        try reconfigure(vm, operation: "vm disk add \(vm)") { commit, configuration, ingest in
            let disk = try configuration.addDisk()
            switch new {
            case .file(let file, let format):
                commit.disks[disk.id] = try read(disk: file, format: format.map(Self.format), into: ingest)
            case .empty(let size): commit.disks[disk.id] = try Self.emptyDisk(size)
            }
            commit.message = "Disk \(disk.id) added"
            id = disk.id
        }
        return try listDisks(of: vm).first { $0.id == id } ?? DiskListing(id: id, slot: 0, sizeBytes: 0, digest: nil)
    }

    /// Takes a disk from a VM that does not run. Snapshots that have it keep it.
    package func removeDisk(_ id: String, of vm: Name) throws {
        try reconfigure(vm, operation: "vm disk remove \(vm) \(id)") { commit, configuration, _ in
            guard configuration.disks.contains(where: { $0.id == id }) else {
                let known = configuration.disks.map(\.id).joined(separator: ", ")
                throw LineageError(
                    .notFound, "'\(vm)' has no disk '\(id)'; it has \(known.isEmpty ? "none" : known).")
            }
            configuration.disks.removeAll { $0.id == id }
            commit.disks[id] = nil
            commit.message = "Disk \(id) removed"
        }
    }

    /// Moves the head of a VM to a machine that `change` made of it.
    private func reconfigure(
        _ vm: Name, operation: String,
        _ change: (inout Commit, inout MachineConfiguration, Ingest) throws -> Void
    ) throws {
        try requireStopped(vm)
        let head = try catalogue.resolve(Reference(vm: vm))
        var commit = head.commit.successor(.configure, of: head.digest, message: "")
        var configuration = try configuration(of: head.commit, named: vm.text)
        let ingest = try store.beginIngest(label: operation)
        try change(&commit, &configuration, ingest)
        try configuration.validate()
        commit.machine = try put(configuration, in: ingest)
        try catalogue.moveHead(of: vm, from: head.digest, to: commit, ingest: ingest, operation: operation)
    }
}
