import ArgumentParser
import Lineage
import Workflow

/// `stemma store recompress`
struct StoreRecompressCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recompress", abstract: "Compress what is stored in another way, then free the rest.",
        discussion: """
            lz4 is the fastest to read; zstd:19 is small, and slow to write. What would not shrink is stored as it is. No \
            digest changes, so clones and bundles know it as before.
            """)

    @Option(help: "none, lz4, zstd or zstd:LEVEL with a level of 1 to 19.")
    var codec: CodecArgument
    @Argument(help: "Only what these VMs hold. Default: all.")
    var vms: [Name] = []
    @OptionGroup var collection: CollectionOptions
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let stemma = try options.open()
        let report = try await Interrupt.endsTheProcess {
            try stemma.recompressStore(codec.compression, vms, collection.request)
        }
        try options.print(report, report.text)
    }
}
