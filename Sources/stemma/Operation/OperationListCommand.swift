import ArgumentParser
import Workflow

/// `stemma operation list`
struct OperationListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Show what was done to names, the newest first.",
        discussion: "With --json, each operation has the refs that it changed, with their old and new commits.")

    @Option(name: [.customShort("n"), .long], help: "Only the newest so many.")
    var limit: Int?
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try Self.show(options.open(), limit: limit, options)
    }

    static func show(_ stemma: Stemma, limit: Int?, _ options: GlobalOptions) throws {
        let operations = try stemma.listOperations(limit: limit)
        if operations.isEmpty { options.progress.step("nothing was done in this store yet") }
        try options.print(operations, Table.render(["NUMBER", "TIME", "OPERATION"], operations.map(\.columns)))
    }
}
