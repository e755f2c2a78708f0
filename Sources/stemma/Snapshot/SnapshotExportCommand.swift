import ArgumentParser
import Lineage
import Workflow

/// `stemma snapshot export`
struct SnapshotExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write a snapshot's machine state into a file that other programs load.",
        discussion: """
            stream  QEMU's migration stream: qemu-system-x86_64 ... -incoming 'exec:cat FILE'
            save    a file for 'virsh restore'; the domain's XML is that of the import, or --domain
            qcow2   the first disk with the snapshot inside: qemu-system-x86_64 ... -loadvm SNAPSHOT

            The disks are not in a stream or a save file: 'stemma vm export' writes them.
            """)

    @Argument(help: "VM:SNAPSHOT.", completion: Completion.references)
    var reference: Reference
    @Argument(help: "The new file.", completion: .file())
    var path: String
    @Option(help: "stream, save or qcow2. Default: by the name of the file, else stream.")
    var format: StateExportRequest.Format?
    @Option(help: "For save: raw, gzip, bzip2, xz, lzop or zstd. Default: raw.")
    var compression: String = "raw"
    @Option(help: "For save: a file with the domain's XML.", completion: .file(extensions: ["xml"]))
    var domain: String?
    @Flag(help: "Replace a file that exists.")
    var force = false
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        var request = StateExportRequest(reference, to: path)
        request.format = format
        guard request.setCompression(compression) else {
            throw ValidationError(
                "'\(compression)' is no compression of save files: use raw, gzip, bzip2, xz, lzop or zstd.")
        }
        request.domain = domain
        request.replaces = force
        let report = try await options.open().exportState(request)
        try options.print(report, report.text)
    }
}

extension StateExportRequest.Format: ExpressibleByArgument {}
