import ArgumentParser
import Lineage
import Workflow

/// `stemma snapshot tag`
struct SnapshotTagCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tag", abstract: "Add tags to a snapshot, or show those that it has.",
        discussion: "'stemma log --tag TAG' finds snapshots by their tags. The snapshot itself does not change.")

    @Argument(help: "VM:SNAPSHOT.")
    var snapshot: Reference
    @Argument(help: "The tags.", completion: Completion.tags)
    var tags: [Name] = []
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let stemma = try options.open()
        let report = try tags.isEmpty ? stemma.annotation(of: snapshot) : stemma.tag(snapshot, with: tags)
        try options.print(report, report.text)
    }
}
