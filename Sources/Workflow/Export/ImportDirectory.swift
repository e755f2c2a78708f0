import CPUModel
import ContentStore
import DiskImage
import Foundation
import Hypervisor
import Lineage
import VMState

extension Stemma {
    /// Makes a VM of a directory that ``export(_:)`` wrote; its machine state, if there is one, becomes a snapshot of its old name.
    package func importVM(_ directory: String, as name: Name) async throws -> VMDetails {
        try await Interruption.cancelling { try self.read(directory, as: name) }
    }

    private func read(_ directory: String, as name: Name) throws -> VMDetails {
        try catalogue.requireFree(vm: name)
        let machine = try Self.machine(in: directory)
        let configuration = machine.configuration
        try configuration.validate()
        let ingest = try store.beginIngest(label: "vm import \(directory)")
        var head = Commit(kind: EdgeKind.import.rawValue, message: machine.message ?? "")
        head.attributes[Attribute.source] = directory.split(separator: "/").last.map(String.init) ?? directory
        head.machine = try put(configuration, in: ingest)
        var state: MachineStateIngest.Result?
        for disk in configuration.disks {
            guard let file = machine.disks[disk.id] else {
                throw WorkflowError(
                    .malformed, "\(directory)/\(ExportedMachine.fileName) names no file for '\(disk.id)'.")
            }
            let path = try Self.path(of: file, in: directory)
            head.disks[disk.id] = try read(disk: path, format: nil, into: ingest)
            if let snapshot = machine.snapshot, state == nil, try DiskImages.probe(path: path) == .qcow2 {
                let image = try Qcow2Image(path: path)
                let entry = try image.snapshot(snapshot)
                if entry.vmStateSize > 0 {
                    progress.step("reading the machine state of '\(snapshot)'")
                    state = try MachineStateIngest(ingest: ingest).read(
                        SnapshotSource(image.vmState(of: entry), name: "snapshot '\(snapshot)'"))
                }
            }
        }
        func blob(_ file: String?) throws -> Digest? {
            guard let file else { return nil }
            let path = try Self.path(of: file, in: directory)
            guard let bytes = FileManager.default.contents(atPath: path) else {
                throw WorkflowError(.missing, "\(path) cannot be read.")
            }
            return try ingest.putBlob([UInt8](bytes))
        }
        head.kernel = try blob(machine.kernel)
        head.initrd = try blob(machine.initrd)
        var snapshots: [Name: Commit] = [:]
        if let text = machine.snapshot {
            guard let state else {
                throw WorkflowError(
                    .malformed, "\(directory) lacks the machine state of its snapshot '\(text)'; export it again.")
            }
            var snapshot = head.successor(.import, of: try ingest.putCommit(head), message: machine.message ?? "")
            snapshot.ram = state.ram
            snapshot.state = state.state
            snapshot.attributes[Attribute.accelerator] = machine.accelerator
            snapshot.attributes[Attribute.cpu] = configuration.cpu
            snapshot.fingerprint = try fingerprint(machine, in: directory).map { try put($0, in: ingest) }
            snapshots[try Name(text, role: "snapshot")] = snapshot
        }
        try catalogue.createVM(
            name, commit: head, snapshots: snapshots, ingest: ingest, operation: "vm import \(name)")
        return try showVM(name)
    }

    /// What the snapshot's guest saw of its CPU, if that was known when it was exported.
    private func fingerprint(_ machine: ExportedMachine, in directory: String) throws -> CPUFingerprint? {
        guard let file = machine.fingerprint else { return nil }
        let path = try Self.path(of: file, in: directory)
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw WorkflowError(.missing, "\(path) cannot be read.")
        }
        do {
            return try JSONDecoder().decode(CPUFingerprint.self, from: bytes)
        } catch {
            throw WorkflowError(.malformed, "\(path) is no fingerprint of a CPU: \(error)")
        }
    }

    private static func machine(in directory: String) throws -> ExportedMachine {
        let file = directory + "/" + ExportedMachine.fileName
        guard let bytes = FileManager.default.contents(atPath: file) else {
            throw WorkflowError(
                .missing,
                "\(file) cannot be read: give a directory that 'stemma vm export' wrote. 'stemma vm create' takes single disks."
            )
        }
        do {
            let machine = try JSONDecoder().decode(ExportedMachine.self, from: bytes)
            guard machine.format == 1 else {
                throw WorkflowError(.malformed, "\(file) has form \(machine.format); this program reads form 1.")
            }
            return machine
        } catch let error as DecodingError {
            throw WorkflowError(.malformed, "\(file) is damaged: \(error)")
        }
    }

    /// A file of the directory, and none outside of it.
    private static func path(of file: String, in directory: String) throws -> String {
        guard !file.isEmpty, !file.contains("/"), file != ".." else {
            throw WorkflowError(.malformed, "\(directory) names the file '\(file)', which is not one of its own.")
        }
        return directory + "/" + file
    }
}
