import ArgumentParser
import Lineage
import Workflow

/// `stemma snapshot rename`
struct SnapshotRenameCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rename", abstract: "Give a snapshot another name; tags, note and descendants go along.")

    @Argument(help: "VM:SNAPSHOT.")
    var snapshot: Reference
    @Argument(help: "Its new name, without the VM.", completion: .list([]))
    var name: Name
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let report = try options.open().renameSnapshot(snapshot, to: name)
        try options.report(report, "\(snapshot) is called \(report.name) now")
    }
}
