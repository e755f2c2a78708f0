import ArgumentParser

/// `stemma benchmark`
struct BenchmarkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "benchmark", abstract: "Measure this machine, and the store next to other tools.",
        subcommands: [
            BenchmarkRunCommand.self, BenchmarkConvertCommand.self, BenchmarkStoreCommand.self,
            BenchmarkWorkerCommand.self,
        ],
        defaultSubcommand: BenchmarkRunCommand.self)
}
