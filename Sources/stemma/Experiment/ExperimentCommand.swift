import ArgumentParser

/// `stemma experiment`
struct ExperimentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "experiment", abstract: "List, show and remove explorations.",
        subcommands: [ExperimentListCommand.self, ExperimentShowCommand.self, ExperimentRemoveCommand.self])
}
