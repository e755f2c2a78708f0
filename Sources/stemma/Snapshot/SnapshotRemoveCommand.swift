import ArgumentParser
import Lineage
import Workflow

/// `stemma snapshot remove`
struct SnapshotRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove the name of a snapshot.",
        discussion: "What descends from it - converted snapshots, experiments - keeps it in the lineage.")

    @Argument(help: "VM:SNAPSHOT.")
    var snapshot: Reference
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try options.open().catalogue.removeSnapshot(snapshot)
        options.progress.step("removed \(snapshot)")
    }
}
