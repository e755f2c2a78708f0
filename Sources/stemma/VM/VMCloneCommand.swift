import ArgumentParser
import Lineage
import Workflow

/// `stemma vm clone`
struct VMCloneCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clone", abstract: "Make a VM that starts as another one is, with its snapshots. Copies nothing.")

    @Argument(help: "The VM to clone.")
    var origin: Name
    @Argument(help: "The name of the new VM.")
    var clone: Name
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try options.open().catalogue.clone(origin, as: clone)
        options.progress.step("\(clone) is a clone of \(origin)")
    }
}
