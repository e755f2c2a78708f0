import ArgumentParser

/// `stemma benchmark`
struct BenchmarkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "benchmark", abstract: "Measure this machine, and store and engine next to other tools.",
        subcommands: [
            BenchmarkRunCommand.self, BenchmarkConvertCommand.self, BenchmarkStoreCommand.self,
            BenchmarkEngineCommand.self, BenchmarkWorkerCommand.self,
        ],
        defaultSubcommand: BenchmarkRunCommand.self)
}
