import ArgumentParser
import Lineage
import Workflow

/// `stemma experiment remove`
struct ExperimentRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove the name of an experiment.",
        discussion: "'stemma undo' brings it back. The test cases in the directory of the experiment stay.")

    @Argument(help: "The experiment.", completion: Completion.experiments)
    var name: Name
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let report = try options.open().removeExperiment(name)
        try options.report(report, "removed \(name); 'stemma undo \(report.operation)' brings it back")
    }
}
