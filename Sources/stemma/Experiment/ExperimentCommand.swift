import ArgumentParser

/// `stemma experiment`
struct ExperimentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "experiment", abstract: "List and show explorations.",
        subcommands: [ExperimentListCommand.self, ExperimentShowCommand.self])
}
