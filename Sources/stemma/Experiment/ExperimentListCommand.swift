import ArgumentParser
import Workflow

/// `stemma experiment list`
struct ExperimentListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Show every experiment.")

    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let experiments = try options.open().listExperiments()
        if options.json { return try Terminal.print(json: experiments) }
        if experiments.isEmpty { options.progress.step("there is no experiment yet") }
        Terminal.print(Table.render(["NAME", "SNAPSHOT", "DONE", "OUTCOME"], experiments.map(\.columns)))
    }
}
