import ArgumentParser
import EngineBenchmark
import StoreBenchmark

/// `stemma benchmark worker`: a part of a verb in a process of its own, for `stemma benchmark store` and `engine`.
struct BenchmarkWorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "worker", shouldDisplay: false)

    @Argument var words: [String]
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let result =
            words.first == "engine"
            ? try EngineWorker(options.open()).run(Array(words.dropFirst()))
            : try BenchmarkWorker(options.open()).run(words)
        if !result.isEmpty { Terminal.print(result) }
    }
}
