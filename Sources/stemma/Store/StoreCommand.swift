import ArgumentParser

/// `stemma store`
struct StoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store",
        abstract: "Look after the store: what it holds, verification, exchange with other stores.",
        subcommands: [
            StoreStatsCommand.self, StoreVerifyCommand.self, StoreExportCommand.self, StoreImportCommand.self,
        ])
}
