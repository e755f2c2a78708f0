import ArgumentParser

/// `stemma store`
struct StoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store", abstract: "Look after the store.", subcommands: [StoreVerifyCommand.self])
}
