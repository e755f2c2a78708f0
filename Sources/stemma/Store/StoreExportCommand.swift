import ArgumentParser
import Lineage
import Workflow

/// `stemma store export`
struct StoreExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write VMs, snapshots and experiments into one file, for another store.",
        discussion: """
            A VM goes with all its snapshots, their tags and notes; everything goes with its history. What the receiver has \
            is left out with --base, which names it here, or with --base-bundle, which names a file that was sent before. \
            Everything in the file is checked where it is taken in ('stemma store import').

                stemma store export mini.bundle Mini
                stemma store export - Mini --base Mini:booted | ssh host stemma store import -
            """)

    @Argument(help: "The file, or - for standard output.", completion: .file())
    var file: String
    @Argument(help: "VM, VM:SNAPSHOT or experiment/NAME.", completion: Completion.selections)
    var names: [Selection] = []
    @Flag(help: "Everything that has a name.")
    var all = false
    @Option(help: "What the receiver has already; may be repeated.", completion: Completion.selections)
    var base: [Selection] = []
    @Option(help: "A bundle that the receiver has taken in already; may be repeated.", completion: .file())
    var baseBundle: [String] = []
    @Option(help: "Compress with none, lz4, or zstd:LEVEL. Default: as it is in the store.")
    var codec: CodecArgument?
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard names.isEmpty == all else { throw ValidationError("Name what to export, or give --all.") }
        if file == "-", options.json {
            throw ValidationError("The bundle is on standard output: --json has no room there.")
        }
    }

    func run() async throws {
        var request = ExportRequest(file: file == "-" ? nil : file, selections: names)
        request.bases = base
        request.baseBundles = baseBundle
        request.compression = codec?.compression
        let stemma = try options.open()
        let report = try await Interrupt.endsTheProcess { try stemma.exportBundle(request) }
        try options.report(report, report.text)
    }
}
