import ArgumentParser
import Lineage
import Workflow

/// `stemma experiment show`
struct ExperimentShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show what an experiment found: its paths and their test cases.")

    @Argument(help: "The experiment.", completion: Completion.experiments)
    var name: Name
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let experiment = try options.open().showExperiment(name)
        if options.json { return try Terminal.print(json: experiment) }
        Terminal.print(experiment.text)
    }
}
