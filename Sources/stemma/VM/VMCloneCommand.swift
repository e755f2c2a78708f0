import ArgumentParser
import Lineage
import Workflow

/// `stemma vm clone`
struct VMCloneCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clone", abstract: "Make a VM that starts as another one is, with its snapshots. Copies nothing.")

    @Argument(help: "The VM to clone.")
    var origin: Name
    @Argument(help: "The name of the new VM.", completion: .list([]))
    var clone: Name
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let report = try options.open().cloneVM(origin, as: clone)
        try options.report(report, "\(clone) is a clone of \(origin)")
    }
}
