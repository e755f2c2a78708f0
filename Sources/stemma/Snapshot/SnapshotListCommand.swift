import ArgumentParser
import Lineage
import Workflow

/// `stemma snapshot list`
struct SnapshotListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Show the snapshots of a VM.")

    @Argument(help: "The VM.")
    var vm: Name
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let stemma = try options.open()
        await stemma.recoverRuns()
        let snapshots = try stemma.listSnapshots(of: vm)
        if options.json { return try Terminal.print(json: snapshots) }
        if snapshots.isEmpty { options.progress.step("\(vm) has no snapshots") }
        Terminal.print(Table.render(["NAME", "KIND", "TAKEN", "BY", "RAM"], snapshots.map(\.columns)))
    }
}
