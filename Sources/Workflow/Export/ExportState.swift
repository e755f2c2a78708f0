import DiskImage
import Foundation
import Lineage
import VMState

/// What a user asks of `stemma snapshot export`.
package struct StateExportRequest: Sendable {
    /// What the machine state is written as.
    package enum Format: String, Sendable, CaseIterable, Codable {
        /// QEMU's migration stream, for `-incoming`.
        case stream
        /// A file for `virsh restore`.
        case save
        /// A qcow2 file with the snapshot inside, for `-loadvm`.
        case qcow2
    }

    package var reference: Reference
    package var path: String
    /// Nil: by the ending of the file's name (`.save`, `.qcow2`), else a stream.
    package var format: Format?
    /// How a save file is packed.
    var compression = LibvirtSaveHeader.Compression.none
    /// The file with the domain's XML for a save file; nil for what the snapshot was imported with.
    package var domain: String?
    /// An existing file is replaced.
    package var replaces = false

    package init(_ reference: Reference, to path: String) {
        self.reference = reference
        self.path = path
    }

    /// Takes libvirt's name of a format; false when it has none of that name that can be written.
    package mutating func setCompression(_ name: String) -> Bool {
        guard let found = LibvirtSaveHeader.Compression.allCases.first(where: { $0.name == name }), found != .sparse
        else { return false }
        compression = found
        return true
    }

    var chosenFormat: Format {
        if let format { return format }
        return path.hasSuffix(".save") ? .save : path.hasSuffix(".qcow2") ? .qcow2 : .stream
    }
}

/// What `stemma snapshot export` wrote.
package struct StateExportReport: Sendable, Codable {
    package let exported: String
    package let path: String
    package let format: StateExportRequest.Format
    /// Bytes that the file takes on the disk.
    package let size: UInt64

    package var text: String { "\(path)  \(Text.size(size)), \(format.rawValue)" }
}

extension Stemma {
    /// Writes the machine state of a snapshot into a file, which has its name when it is whole.
    package func exportState(_ request: StateExportRequest) async throws -> StateExportReport {
        guard request.reference.snapshot != nil else {
            throw WorkflowError(
                .usage, "Only a snapshot has a machine state: name one as '\(request.reference.vm):SNAPSHOT'.")
        }
        let (origin, lease) = try pinned(request.reference, label: "snapshot export \(request.reference)")
        defer { withExtendedLifetime(lease) {} }
        if !request.replaces, FileManager.default.fileExists(atPath: request.path) {
            throw WorkflowError(.exists, "The file \(request.path) exists; choose another name, or add --force.")
        }
        let format = request.chosenFormat
        let partial = "\(request.path).\(getpid()).partial"
        defer { unlink(partial) }
        progress.step("writing \(request.path)")
        switch format {
        case .stream:
            var output = try FileByteOutput(path: partial)
            try machineState(of: origin).write(to: &output)
            try output.synchronize()
        case .save:
            var output = try LibvirtSaveOutput(path: partial, header: try saveHeader(request, origin))
            try machineState(of: origin).write(to: &output)
            try output.finish()
        case .qcow2: try await writeImage(request, origin, to: partial)
        }
        guard rename(partial, request.path) == 0 else {
            throw WorkflowError(
                .io, "The file \(request.path) cannot be written: \(String(cString: strerror(errno))).")
        }
        var status = stat()
        let blocks = stat(request.path, &status) == 0 ? status.st_blocks : 0
        return StateExportReport(
            exported: request.reference.description, path: request.path, format: format,
            size: UInt64(clamping: blocks) * 512)
    }

    /// The texts of a save file: those that the snapshot came with, or a domain that the user gives.
    private func saveHeader(_ request: StateExportRequest, _ origin: NamedCommit) throws -> LibvirtSaveHeader {
        func text(_ blob: String) throws -> String? {
            try origin.commit.blobs[blob].map { String(decoding: try store.blob($0), as: UTF8.self) }
        }
        var header = LibvirtSaveHeader(compression: request.compression, domain: "")
        if let path = request.domain {
            guard let bytes = FileManager.default.contents(atPath: path),
                let domain = String(validating: bytes, as: UTF8.self)
            else { throw WorkflowError(.missing, "The domain's XML \(path) cannot be read as text.") }
            header.domain = domain
        } else if let domain = try text(LibvirtBlob.domain) {
            header.domain = domain
            header.cookie = try text(LibvirtBlob.cookie)
        } else {
            throw WorkflowError(
                .usage,
                "A save file has the domain's XML in it, and '\(request.reference)' was not imported from one: give it with "
                    + "--domain FILE (virsh dumpxml DOMAIN > FILE).")
        }
        return header
    }

    /// A qcow2 file of the first disk with the state inside; of an empty disk when the machine has none.
    private func writeImage(_ request: StateExportRequest, _ origin: NamedCommit, to path: String) async throws {
        let configuration = try configuration(of: origin.commit, named: request.reference.description)
        guard configuration.disks.isEmpty else {
            var export = VMExportRequest(request.reference, to: path)
            export.format = .qcow2
            export.disk = configuration.disks.first?.id
            _ = try await self.export(export)
            return
        }
        var writer = try Qcow2Writer(path: path, virtualSize: 1 << 20)
        let state = try machineState(of: origin)
        let name = request.reference.snapshot?.text ?? "snapshot"
        try writer.addSnapshot(Qcow2NewSnapshot(name: name)) { sink in try state.write(to: sink) }
        _ = try writer.finish()
    }
}

/// The names of what libvirt wrote before a stream, among a commit's blobs.
enum LibvirtBlob {
    static let domain = "libvirt/domain"
    static let cookie = "libvirt/cookie"
}
