import ArgumentParser

/// `stemma store`
struct StoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store",
        abstract: "Look after the store: what it holds, verification, clearing away, exchange.",
        subcommands: [
            StoreStatsCommand.self, StoreVerifyCommand.self, StoreGCCommand.self, StoreRepackCommand.self,
            StoreRecompressCommand.self, StoreExportCommand.self, StoreImportCommand.self,
        ])
}
