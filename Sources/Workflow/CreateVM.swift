import ContentStore
import DiskImage
import Foundation
import Hypervisor
import Lineage

/// What a user asks of `stemma vm create`.
package struct CreateRequest: Sendable {
    package var name: Name
    /// Image files, in the order of the disks.
    package var files: [String] = []
    /// The format of all files; nil to look at each.
    package var format: String?
    /// Empty disks, which come after those of the files.
    package var sizes: [ByteSize] = []
    /// `pc`, `q35`, or a versioned machine type of the installed QEMU.
    package var machine = "pc"
    package var memoryMiB = 1024
    package var cpus = 1
    package var cpu = "qemu64"
    package var remarks = Remarks()

    package init(_ name: Name) { self.name = name }
}

extension Stemma {
    /// Makes a VM of image files and empty disks. Nothing is left of it when a file cannot be read, or after Ctrl-C.
    package func createVM(_ request: CreateRequest) async throws -> VMDetails {
        try await Interruption.cancelling { try await create(request) }
    }

    private func create(_ request: CreateRequest) async throws -> VMDetails {
        try catalogue.requireFree(vm: request.name)
        let format = try request.format.map(Self.format)
        var configuration = MachineConfiguration(
            machine: try await installation().resolveMachine(request.machine), cpu: request.cpu,
            memoryMiB: request.memoryMiB, cpus: request.cpus)
        for _ in 0..<(request.files.count + request.sizes.count) { _ = try configuration.addDisk() }
        try configuration.validate()

        let ingest = try store.beginIngest(label: "vm create \(request.name)")
        var commit = Commit(kind: EdgeKind.create.rawValue)
        var ids = configuration.disks.map(\.id)[...]
        for file in request.files {
            if let id = ids.popFirst() { commit.disks[id] = try read(disk: file, format: format, into: ingest) }
        }
        for size in request.sizes {
            if let id = ids.popFirst() { commit.disks[id] = try Self.emptyDisk(size) }
        }
        commit.machine = try put(configuration, in: ingest)
        if !request.files.isEmpty {
            let names = request.files.map { $0.split(separator: "/").last.map(String.init) ?? $0 }
            commit.attributes[Attribute.source] = names.joined(separator: ", ")
        }
        request.remarks.apply(to: &commit)
        try catalogue.createVM(
            request.name, commit: commit, ingest: ingest, operation: "vm create \(request.name)")
        return try showVM(request.name)
    }

    /// Takes an image file in; ends when the task is cancelled.
    func read(disk file: String, format: DiskImages.Format?, into ingest: Ingest) throws -> TreeRoot {
        let image = try DiskImages.open(path: file, format: format)
        guard image.virtualSize > 0, image.virtualSize.isMultiple(of: Self.sectorSize) else {
            throw WorkflowError(
                .malformed,
                "\(file) is a disk of \(image.virtualSize) bytes; a disk has one sector of 512 bytes or several. "
                    + "Name its format with --format if it was not recognised.")
        }
        let step = "reading \(file)"
        progress.step(step)
        let progress = progress
        let total = image.virtualSize
        return try DiskIngest(ingest: ingest).whole(image) { done in
            progress.amount(step, ProgressAmount(done: done, total: total))
        }
    }

    /// A disk without a byte that is not zero: it takes no room.
    static func emptyDisk(_ size: ByteSize) throws -> TreeRoot {
        guard size.bytes > 0, size.bytes.isMultiple(of: sectorSize), size.bytes <= 1 << 62 else {
            throw WorkflowError(
                .usage, "A disk of \(size.bytes) bytes cannot be made: give a multiple of 512, for example --size 20G.")
        }
        return TreeRoot(kind: .disk, length: size.bytes, digest: nil)
    }

    /// A format by its name.
    static func format(_ name: String) throws -> DiskImages.Format {
        guard let format = DiskImages.Format(rawValue: name) else {
            let known = DiskImages.Format.allCases.map(\.rawValue).joined(separator: ", ")
            throw WorkflowError(.usage, "'\(name)' is no format of disk images that is read; use one of \(known).")
        }
        return format
    }

    static var sectorSize: UInt64 { 512 }
}

extension MachineConfiguration {
    /// Puts a disk into the first free slot and gives it the first free name of `vda`, `vdb`, …
    mutating func addDisk() throws -> Disk {
        let slots = Set(disks.map(\.slot))
        let ids = Set(disks.map(\.id))
        guard let slot = (Self.firstDiskSlot...0x1e).first(where: { !slots.contains($0) }),
            let id = "abcdefghijklmnopqrstuvwxyz".lazy.map({ "vd\($0)" }).first(where: { !ids.contains($0) })
        else { throw WorkflowError(.usage, "A machine has room for 26 disks; it has \(disks.count).") }
        let disk = Disk(id: id, slot: slot)
        disks.append(disk)
        return disk
    }
}
