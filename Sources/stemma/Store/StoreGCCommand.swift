import ArgumentParser
import Workflow

/// `stemma store gc`
struct StoreGCCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc", abstract: "Free what nothing needs any more.",
        discussion: """
            Needed is what names lead to, what the last operations of the log need to be undone, and what running verbs \
            use. Safe at any time, also while guests run. What running verbs may still read is freed by the next gc.
            """)

    @Flag(name: [.customShort("y"), .long], help: "Show what would be done and do nothing.")
    var dryRun = false
    @OptionGroup var collection: CollectionOptions
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        var request = collection.request
        request.isDryRun = dryRun
        let stemma = try options.open()
        let report = try await Interrupt.endsTheProcess { try stemma.collectStore(request) }
        try options.print(report, report.text)
    }
}
