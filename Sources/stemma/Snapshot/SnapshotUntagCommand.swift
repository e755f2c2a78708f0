import ArgumentParser
import Lineage
import Workflow

/// `stemma snapshot untag`
struct SnapshotUntagCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "untag", abstract: "Take tags from a snapshot.")

    @Argument(help: "VM:SNAPSHOT.")
    var snapshot: Reference
    @Argument(help: "The tags.", completion: Completion.tags)
    var tags: [Name] = []
    @Flag(help: "Take all tags.")
    var all = false
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard tags.isEmpty == all else { throw ValidationError("Name the tags to take away, or give --all.") }
    }

    func run() async throws {
        let report = try options.open().untag(snapshot, from: tags)
        try options.print(report, report.text)
    }
}
