import ArgumentParser
import Lineage
import Workflow

/// `stemma log`
struct LogCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log", abstract: "Show how VMs, snapshots and experiments came from each other.")

    @Argument(help: "The family of this VM; all VMs when left out.")
    var vm: Name?
    @Flag(help: "Draw the tree.")
    var graph = false
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let log = try options.open().log(of: vm)
        if options.json { return try Terminal.print(json: log.entries) }
        Terminal.print(log.text(asGraph: graph))
    }
}
