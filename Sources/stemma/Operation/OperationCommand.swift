import ArgumentParser

/// `stemma operation`
struct OperationCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "operation", abstract: "The operation log: every change of names in the store.",
        subcommands: [OperationListCommand.self])
}
