import ArgumentParser
import Lineage
import Workflow

/// `stemma snapshot note`
struct SnapshotNoteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "note", abstract: "Write the note of a snapshot, or show it.",
        discussion: "The text replaces the note that was there; an empty text removes it.")

    @Argument(help: "VM:SNAPSHOT.")
    var snapshot: Reference
    @Argument(help: "The text, in quotation marks.", completion: .list([]))
    var text: String?
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let stemma = try options.open()
        let report = try text.map { try stemma.note(snapshot, $0) } ?? stemma.annotation(of: snapshot)
        try options.print(report, report.text)
    }
}
