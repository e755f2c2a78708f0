import ContentStore
import DiskImage
import Foundation
import Hypervisor
import Lineage
import VMState

extension Stemma {
    /// Writes a VM or a snapshot to files that other programs use: one disk, or a directory with the whole machine.
    ///
    /// A snapshot's machine state goes into the qcow2 file of the first disk as an internal snapshot, which QEMU's `-loadvm` resumes. A
    /// file has its name when it is whole; one that is there already is not touched unless asked for.
    package func export(_ request: VMExportRequest) async throws -> VMExportReport {
        try await Interruption.cancelling { try await self.write(request) }
    }

    private func write(_ request: VMExportRequest) async throws -> VMExportReport {
        let (origin, lease) = try pinned(request.reference, label: "vm export \(request.reference)")
        defer { withExtendedLifetime(lease) {} }
        let configuration = try configuration(of: origin.commit, named: request.reference.description)
        let state = request.leavesOutState || origin.commit.state == nil ? nil : try machineState(of: origin)
        if let format = request.fileFormat {
            return try writeFile(request, format, origin, configuration, state)
        }
        return try await writeDirectory(request, origin, configuration, state)
    }

    private func writeFile(
        _ request: VMExportRequest, _ format: VMExportRequest.Format, _ origin: NamedCommit,
        _ configuration: MachineConfiguration, _ state: StoredMachineState?
    ) throws -> VMExportReport {
        let ids = configuration.disks.map(\.id)
        guard let id = request.disk ?? (ids.count == 1 ? ids.first : nil) else {
            throw WorkflowError(
                .usage,
                "'\(request.reference)' has \(ids.isEmpty ? "no disk" : "the disks \(ids.joined(separator: ", "))"): name one with --disk, "
                    + "or export the whole machine to a directory, '\(request.path)/'.")
        }
        guard let tree = origin.commit.disks[id] else {
            throw WorkflowError(
                .missing, "'\(request.reference)' has no disk '\(id)'; it has \(ids.joined(separator: ", ")).")
        }
        if request.format != nil, request.format != format {
            throw WorkflowError(
                .usage, "The name \(request.path) says \(format.rawValue), and --format another format.")
        }
        let carriesState = state != nil && format == .qcow2 && ids.first == id
        if state != nil, !carriesState {
            progress.step(
                "without the machine state, which is in the qcow2 file of the first disk only; a directory takes everything"
            )
        }
        try writeDisk(
            tree, to: request.path, format, request, snapshot: carriesState ? request.reference.snapshot : nil, state)
        return VMExportReport(
            exported: request.reference.description, files: [Self.file(request.path)])
    }

    private func writeDirectory(
        _ request: VMExportRequest, _ origin: NamedCommit, _ configuration: MachineConfiguration,
        _ state: StoredMachineState?
    ) async throws -> VMExportReport {
        let format = request.format ?? .qcow2
        if state != nil, format == .raw || configuration.disks.isEmpty {
            throw WorkflowError(
                .usage,
                "A machine state is kept in a qcow2 file of a disk: leave out --format raw, or add --no-state for the disks alone."
            )
        }
        var directory = request.path
        while directory.count > 1, directory.hasSuffix("/") { directory.removeLast() }
        do {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        } catch {
            throw WorkflowError(.io, "The directory \(directory) cannot be made: \(error.localizedDescription)")
        }
        var report = VMExportReport(exported: request.reference.description)
        var machine = ExportedMachine(configuration: configuration, disks: [:])
        machine.accelerator = origin.commit.attributes[Attribute.accelerator]
        machine.message = origin.commit.message
        machine.snapshot = state == nil ? nil : request.reference.snapshot?.text
        for disk in configuration.disks {
            guard let tree = origin.commit.disks[disk.id] else { continue }
            let name = "\(disk.id).\(format.rawValue)"
            let isFirst = disk.id == configuration.disks.first?.id
            try writeDisk(
                tree, to: directory + "/" + name, format, request,
                snapshot: state == nil ? nil : request.reference.snapshot, isFirst ? state : nil)
            machine.disks[disk.id] = name
            report.files.append(Self.file(directory + "/" + name))
        }
        if let files = try bootFiles(of: origin.commit, in: directory) {
            machine.kernel = files.kernel.split(separator: "/").last.map(String.init)
            machine.initrd = files.initialRamdisk?.split(separator: "/").last.map(String.init)
            report.files += ([files.kernel] + [files.initialRamdisk].compactMap(\.self)).map(Self.file)
        }
        if state != nil, let fingerprint = try recordedFingerprint(of: origin.commit) {
            machine.fingerprint = ExportedMachine.fingerprintFileName
            let file = directory + "/" + ExportedMachine.fingerprintFileName
            try Data(fingerprint.json.utf8).write(to: URL(fileURLWithPath: file), options: .atomic)
            report.files.append(Self.file(file))
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let file = directory + "/" + ExportedMachine.fileName
        try encoder.encode(machine).write(to: URL(fileURLWithPath: file), options: .atomic)
        report.files.append(Self.file(file))
        report.command = try QEMUCommandLine(
            executable: try installation().system, configuration: configuration,
            images: machine.disks.mapValues { directory + "/" + $0 }, format: format.rawValue,
            kernel: machine.kernel.map { directory + "/" + $0 },
            initialRamdisk: machine.initrd.map { directory + "/" + $0 },
            loading: machine.snapshot
        ).shellText
        return report
    }

    /// Writes a disk; with `snapshot` also as an internal snapshot, whose machine state is `state`.
    private func writeDisk(
        _ tree: TreeRoot, to path: String, _ format: VMExportRequest.Format, _ request: VMExportRequest,
        snapshot: Name?,
        _ state: StoredMachineState?
    ) throws {
        let step = "writing \(path)"
        progress.step(step)
        let progress = progress
        let report: @Sendable (UInt64) throws -> Void = { done in
            try Task.checkCancellation()
            progress.amount(step, ProgressAmount(done: done, total: tree.length))
        }
        switch format {
        case .raw:
            var options = RawWriteOptions()
            options.replaces = request.replaces
            let writer = try RawWriter(path: path, virtualSize: tree.length, options: options)
            try store.forEachPiece(of: tree) { offset, bytes in try writer.write(bytes, at: offset) }
            try report(tree.length)
            try writer.finish()
        case .qcow2:
            var options = Qcow2WriteOptions()
            options.replaces = request.replaces
            options.compression = request.compression
            var writer = try Qcow2Writer(path: path, virtualSize: tree.length, options: options)
            try writer.write(StoredImage(store: store, tree: tree), progress: report)
            if let snapshot {
                try writer.addSnapshot(Qcow2NewSnapshot(name: snapshot.text)) { sink in
                    try state?.write(to: sink)
                }
            }
            _ = try writer.finish()
        }
    }

    private static func file(_ path: String) -> VMExportReport.File {
        var status = stat()
        let blocks = stat(path, &status) == 0 ? status.st_blocks : 0
        return VMExportReport.File(path: path, size: UInt64(clamping: blocks) * 512)
    }
}

extension StoredMachineState {
    /// Writes the state as the machine state of an internal snapshot.
    func write(to sink: Qcow2VMStateSink) throws {
        var output = SinkOutput(sink: sink)
        try write(to: &output)
    }
}

/// A migration stream on its way into a qcow2 file.
private struct SinkOutput: ByteOutput {
    let sink: Qcow2VMStateSink

    func write(_ bytes: UnsafeRawBufferPointer) throws(VMStateError) {
        do {
            try sink.write(bytes)
        } catch {
            throw VMStateError(.io, "the machine state could not be written into the image", underlying: error)
        }
    }
}
