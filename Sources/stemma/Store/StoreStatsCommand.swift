import ArgumentParser
import Lineage
import Workflow

/// `stemma store stats`
struct StoreStatsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats", abstract: "Show how much the store holds, and which VM needs what.",
        discussion: """
            SIZE is what the guests see, DATA what of it is not zero, UNIQUE what is left when equal blocks and pages count \
            once, STORED its compressed size in the store, and OWN what of that nobody else needs: what a removal would free.
            """)

    @Argument(help: "Show the head and each snapshot of this VM instead.")
    var vm: Name?
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let report = try options.open().usage(of: vm)
        let table = Table.render(UsageReport.heading, report.rows)
        try options.print(report, (table.isEmpty ? "" : table + "\n\n") + report.text)
    }
}
