import DiskImage
import Hypervisor
import Lineage

/// What a user asks of `stemma vm export`.
package struct VMExportRequest: Sendable {
    /// The format of the disks' files.
    package enum Format: String, Sendable, CaseIterable, Codable {
        case raw, qcow2
    }

    package var reference: Reference
    /// A file for one disk, or a directory for the whole machine.
    package var path: String
    /// Nil: by the ending of the file's name, qcow2 in a directory.
    package var format: Format?
    package var compression = Qcow2WriteOptions.Compression.none
    /// The disk of a file; nil for the only one.
    package var disk: String?
    /// Without the machine state of a snapshot.
    package var leavesOutState = false
    /// Existing files are replaced.
    package var replaces = false

    package init(_ reference: Reference, to path: String) {
        self.reference = reference
        self.path = path
    }

    /// The format that the user asked for, or that the file's name implies; nil for a directory.
    var fileFormat: Format? {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        if path.hasSuffix("/") { return nil }
        if name.hasSuffix(".qcow2") { return .qcow2 }
        if name.hasSuffix(".raw") || name.hasSuffix(".img") { return .raw }
        return disk == nil ? nil : format ?? .qcow2
    }
}

/// What `stemma vm export` wrote.
package struct VMExportReport: Sendable, Codable {
    package struct File: Sendable, Codable {
        package let path: String
        /// Bytes that the file takes on the disk.
        package let size: UInt64
    }

    package let exported: String
    package var files: [File] = []
    /// The command that starts or resumes the machine from the files, in shell syntax.
    package var command: String?

    package var text: String {
        var lines = files.map { "\($0.path)  \(Text.size($0.size))" }
        if let command { lines += ["", command] }
        return lines.joined(separator: "\n")
    }
}

/// The file `machine.json` of an exported directory: all that the disks' files do not say.
struct ExportedMachine: Codable, Sendable {
    /// The version of this form.
    var format = 1
    var configuration: MachineConfiguration
    /// File names by disk id.
    var disks: [String: String]
    /// File names, below the directory.
    var kernel: String?
    var initrd: String?
    /// The internal snapshot with the machine state.
    var snapshot: String?
    var accelerator: String?
    /// File name of the fingerprint of the CPU on which the snapshot's guest was booted.
    var fingerprint: String?
    var message: String?

    static let fileName = "machine.json"
    /// In the form that `stemma cpu` reads.
    static let fingerprintFileName = "cpu.json"
}
