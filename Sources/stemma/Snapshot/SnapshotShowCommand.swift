import ArgumentParser
import Lineage
import Workflow

/// `stemma snapshot show`
struct SnapshotShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show what a snapshot consists of and where it came from.")

    @Argument(help: "VM:SNAPSHOT.")
    var snapshot: Reference
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let details = try options.open().showSnapshot(snapshot)
        if options.json { return try Terminal.print(json: details) }
        Terminal.print(details.text)
    }
}
