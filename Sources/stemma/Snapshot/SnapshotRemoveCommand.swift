import ArgumentParser
import Lineage
import Workflow

/// `stemma snapshot remove`
struct SnapshotRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove the name of a snapshot.",
        discussion: """
            What descends from it - converted snapshots, experiments - keeps it in the lineage. 'stemma undo' brings it \
            back; 'stemma store gc' frees what only it used, once the removal is no longer among the operations that it keeps.
            """)

    @Argument(help: "VM:SNAPSHOT.")
    var snapshot: Reference
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let report = try options.open().removeSnapshot(snapshot)
        try options.report(report, "removed \(snapshot); 'stemma undo \(report.operation)' brings it back")
    }
}
