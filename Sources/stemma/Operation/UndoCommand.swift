import ArgumentParser
import Workflow

/// `stemma undo`
struct UndoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "undo", abstract: "Undo the last operation, or one of the log.",
        discussion: """
            Every name that the operation changed goes back to what it was; names that were removed come back with all \
            they had. An operation of the log can be undone as long as its names are as it left them. The undo is an \
            operation itself: 'stemma undo' again does what was undone once more.
            """)

    @Argument(help: "The number of the operation. Default: the last one.")
    var number: UInt64?
    @Flag(help: "Show the operations that there are.")
    var list = false
    @Flag(name: [.customShort("y"), .long], help: "Show what would be done and do nothing.")
    var dryRun = false
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        if list, number != nil || dryRun { throw ValidationError("--list takes neither a number nor --dry-run.") }
    }

    func run() async throws {
        let stemma = try options.open()
        if list { return try OperationListCommand.show(stemma, limit: nil, options) }
        let report = try stemma.undo(number, isDryRun: dryRun)
        try options.print(report, report.text)
    }
}
