import ArgumentParser
import Lineage
import Workflow

/// `stemma snapshot list`
struct SnapshotListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Show the snapshots of a VM.")

    @Argument(help: "The VM.")
    var vm: Name
    @Option(help: "Only those with this tag; may be repeated.", completion: Completion.tags)
    var tag: [Name] = []
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let stemma = try options.open()
        await stemma.recoverRuns()
        let snapshots = try stemma.listSnapshots(of: vm, tags: tag)
        if options.json { return try Terminal.print(json: snapshots) }
        if snapshots.isEmpty { options.progress.step("\(vm) has no \(tag.isEmpty ? "" : "such ")snapshots") }
        Terminal.print(Table.render(["NAME", "KIND", "TAKEN", "BY", "RAM", "TAGS", "NOTE"], snapshots.map(\.columns)))
    }
}
